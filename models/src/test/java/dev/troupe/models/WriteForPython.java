package dev.troupe.models;

import dev.troupe.models.checkpoint.Checkpoint;
import dev.troupe.models.checkpoint.CheckpointWriter;
import dev.troupe.models.checkpoint.DType;
import dev.troupe.models.checkpoint.ModelConfig;
import dev.troupe.models.checkpoint.TensorData;
import dev.troupe.models.peft.AdaptedLinear;
import dev.troupe.models.peft.Adapter;
import dev.troupe.models.peft.AdapterConfig;
import dev.troupe.models.tokenizer.BpeTrainer;
import dev.troupe.models.tokenizer.BpeVocabulary;
import dev.troupe.models.tokenizer.ChatTemplate;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.EnumSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.stream.Stream;

/**
 * Writes what {@code check_written.py} loads with transformers and peft; see
 * src/test/golden/README.md.
 */
public final class WriteForPython {
  private WriteForPython() {}

  public static void main(String[] arguments) {
    Path target = Path.of(arguments[0]);
    for (String name : List.of("gqa-tied-bf16", "untied-llama3-fp16", "linear-rope-fp32")) {
      try (Checkpoint checkpoint = Checkpoint.open(Golden.path(name))) {
        Map<String, TensorData> tensors = new LinkedHashMap<>();
        checkpoint
            .names()
            .forEach(
                t ->
                    tensors.put(
                        t, TensorData.of(checkpoint.floats(t), checkpoint.shape(t).toArray())));
        DType dtype = checkpoint.dtype("model.norm.weight");
        CheckpointWriter.write(target.resolve(name), checkpoint.config(), tensors, dtype, 100_000);
        if (name.startsWith("gqa")) {
          Adapter.read(Golden.path("gqa-adapter"), checkpoint.config())
              .write(target.resolve("gqa-adapter"));
          head(checkpoint).write(target.resolve("head"));
        }
      }
    }
    for (String choice : adapters()) {
      String base = Golden.json("adapters/" + choice + "/expected.json").get("base").asText();
      ModelConfig config = ModelConfig.read(Golden.path(base));
      Adapter.read(Golden.path("adapters/" + choice), config).write(target.resolve(choice));
    }
    BpeTrainer.train(
            List.of("the robot sings kindly", "the robots sing, the teacher's robot sang"),
            290,
            List.of("<s>", "</s>"))
        .write(
            target.resolve("bpe"),
            new BpeVocabulary.Setup(
                Optional.of("<s>"),
                "</s>",
                Optional.empty(),
                Optional.of(ChatTemplate.SIMPLE),
                64));
  }

  /** Every choice that PEFT has saved. */
  private static List<String> adapters() {
    try (Stream<Path> found = Files.list(Golden.path("adapters"))) {
      return found.map(path -> path.getFileName().toString()).sorted().toList();
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  private static Adapter head(Checkpoint checkpoint) {
    AdapterConfig config =
        new AdapterConfig(2, 4, EnumSet.of(AdaptedLinear.V_PROJ), true, "gqa-tied-bf16");
    Map<String, TensorData> tensors = new LinkedHashMap<>();
    config
        .tensors(checkpoint.config())
        .forEach(
            (name, shape) -> {
              float[] values = new float[(int) shape.elements()];
              for (int i = 0; i < values.length; i++) {
                values[i] = (i % 7 - 3) / 8f;
              }
              tensors.put(name, TensorData.of(values, shape.toArray()));
            });
    return new Adapter(config, tensors);
  }
}
