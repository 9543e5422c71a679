package dev.troupe.models.checkpoint.quantised;

import com.fasterxml.jackson.databind.JsonNode;
import dev.troupe.models.checkpoint.ModelConfig;
import dev.troupe.models.checkpoint.SafetensorsFile;
import dev.troupe.models.checkpoint.Shape;
import dev.troupe.models.checkpoint.StoredWeight;
import dev.troupe.models.checkpoint.TensorFile;
import dev.troupe.models.checkpoint.quantised.PackedFormat.Packed;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.Collectors;

/** The tensors of a checkpoint with a {@code quantization_config}, as those of any other. */
public final class QuantisedFiles {
  private static final List<String> METHODS = List.of("bitsandbytes", "gptq", "awq");

  private QuantisedFiles() {}

  /**
   * Checks that such weights are read.
   *
   * @param config the {@code quantization_config}
   * @throws IllegalArgumentException naming what is not
   */
  public static void check(JsonNode config) {
    format(config);
  }

  private static PackedFormat format(JsonNode config) {
    String method =
        config
            .path("quant_method")
            .asText(config.has("load_in_4bit") || config.has("load_in_8bit") ? "bitsandbytes" : "");
    return switch (method) {
      case "bitsandbytes" -> new BitsAndBytesFiles();
      case "gptq" -> GroupFiles.of(config, false);
      case "awq" -> GroupFiles.of(config, true);
      default ->
          throw new IllegalArgumentException(
              "quantization_config has "
                  + (method.isEmpty() ? "no quant_method" : "the quant_method '" + method + "'")
                  + "; read are "
                  + String.join(", ", METHODS)
                  + ". Use the checkpoint in bf16, fp16 or fp32");
    };
  }

  /**
   * Where each tensor is found.
   *
   * @param quantisation the {@code quantization_config}
   * @param files where each stored tensor is
   * @param model of the checkpoint
   * @throws dev.troupe.models.checkpoint.CheckpointException naming what is missing or wrong
   */
  public static Map<String, TensorFile> tensors(
      JsonNode quantisation, Map<String, SafetensorsFile> files, ModelConfig model) {
    StoredTensors stored = new StoredTensors(files);
    Map<String, TensorFile> found = new LinkedHashMap<>();
    Set<String> transposed =
        model.weights().stream()
            .filter(StoredWeight::transposed)
            .flatMap(weight -> weight.parts().stream())
            .map(StoredWeight.Part::name)
            .collect(Collectors.toUnmodifiableSet());
    Set<String> taken = new HashSet<>();
    for (Packed packed : format(quantisation).weights(stored)) {
      taken.addAll(packed.parts());
      found.put(packed.name(), weight(packed, stored, transposed));
      String bias = packed.name().replaceAll("weight$", "bias");
      if (stored.has(bias) && !has(model, bias) && isZero(stored.floats(bias))) {
        // Older GPTQ files have one for every layer.
        taken.add(bias);
      }
    }
    files.forEach(
        (name, file) -> {
          if (!taken.contains(name)) {
            // Of a type that is no number's it is told as for any other file.
            file.dtype(name);
            found.put(name, file);
          }
        });
    return found;
  }

  private static boolean has(ModelConfig model, String name) {
    return model.tensors().keySet().stream()
        .anyMatch(own -> own.equals(name) || own.endsWith("." + name) || name.endsWith("." + own));
  }

  private static boolean isZero(float[] values) {
    for (float value : values) {
      if (value != 0) {
        return false;
      }
    }
    return true;
  }

  private static PackedWeight weight(Packed packed, StoredTensors stored, Set<String> transposed) {
    long bytes = packed.parts().stream().mapToLong(part -> stored.bytes(part).remaining()).sum();
    // Where a family stores (inputs, outputs), what quantises it turns it round.
    boolean turned =
        transposed.stream()
            .anyMatch(name -> name.equals(packed.name()) || name.endsWith("." + packed.name()));
    int rows = Math.toIntExact(packed.shape().dimensions().get(0));
    int columns = Math.toIntExact(packed.shape().dimensions().get(1));
    return new PackedWeight(
        stored.path(packed.parts().get(0)),
        packed.name(),
        turned ? Shape.of(columns, rows) : packed.shape(),
        bytes,
        turned
            ? () -> StoredWeight.transpose(packed.numbers().get(), rows, columns)
            : packed.numbers(),
        packed.stored());
  }
}
