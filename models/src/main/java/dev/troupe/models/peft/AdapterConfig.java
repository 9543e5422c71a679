package dev.troupe.models.peft;

import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.troupe.models.checkpoint.CheckpointException;
import dev.troupe.models.checkpoint.JsonFile;
import dev.troupe.models.checkpoint.ModelConfig;
import dev.troupe.models.checkpoint.Shape;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.stream.Collectors;

/**
 * What an {@code adapter_config.json} says of a LoRA.
 *
 * @param lora what it adapts and how; it may find nothing in the model when there is a head
 * @param head whether a head on the last hidden state, one number per position, belongs to it
 *     (value or reward)
 * @param saved modules of the model that the adapter brings whole, in place of the base's, by the
 *     ends of their names
 * @param transposed whether the base stores (inputs, outputs); only for PEFT, which warns otherwise
 * @param baseModel the base's path or name, for people; not opened
 */
public record AdapterConfig(
    LoraOptions lora, boolean head, List<String> saved, boolean transposed, String baseModel) {
  /**
   * The head's tensor, {@code (1, hiddenSize)}, as {@code LlamaForSequenceClassification} calls it.
   */
  public static final String HEAD = "score.weight";

  public AdapterConfig {
    saved = saved.stream().distinct().sorted().toList();
  }

  /** One that brings no module whole. */
  public AdapterConfig(LoraOptions lora, boolean head, String baseModel) {
    this(lora, head, List.of(), false, baseModel);
  }

  /** The same rank on the same layers of a Llama. */
  public AdapterConfig(
      int rank, double alpha, Set<AdaptedLinear> targets, boolean head, String baseModel) {
    this(LoraOptions.plain(rank, alpha, targets), head, baseModel);
  }

  /**
   * Every tensor of such an adapter, named as PEFT does but without its prefix {@code
   * base_model.model.}.
   *
   * @throws IllegalArgumentException when a choice cannot be honoured on this model
   */
  public Map<String, Shape> tensors(ModelConfig model) {
    Map<String, Shape> tensors = new LinkedHashMap<>();
    for (LoraPair pair : lora.pairs(model)) {
      LinearModule module = pair.module();
      tensors.put(module.nameOfA(), Shape.of(pair.rank(), module.inputs()));
      tensors.put(module.nameOfB(), Shape.of(module.outputs(), pair.rank()));
      if (lora.dora()) {
        tensors.put(module.nameOfMagnitude(), Shape.of(module.outputs()));
      }
    }
    lora.head(model)
        .ifPresent(
            pair -> {
              tensors.put(pair.nameOfA(), Shape.of(pair.rank(), pair.inputs()));
              tensors.put(pair.nameOfB(), Shape.of(pair.outputs(), pair.rank()));
              if (lora.dora()) {
                tensors.put(pair.nameOfMagnitude(), Shape.of(pair.outputs()));
              }
              tensors.put(pair.nameOfBase(), Shape.of(pair.outputs(), pair.inputs()));
            });
    biases(model)
        .forEach(
            (name, stored) ->
                tensors.put(name, Objects.requireNonNull(model.tensors().get(stored))));
    if (head) {
      tensors.put(HEAD, Shape.of(1, model.hiddenSize()));
    }
    for (String name : replaced(model)) {
      boolean adapted =
          lora.pairs(model).stream().anyMatch(pair -> pair.module().name().equals(module(name)))
              || lora.head(model).filter(pair -> pair.stored().equals(name)).isPresent();
      if (adapted) {
        throw new IllegalArgumentException(
            "modules_to_save names '" + module(name) + "', which target_modules adapts as well");
      }
      if (tensors.put(name, Objects.requireNonNull(model.tensors().get(name))) != null) {
        throw new IllegalArgumentException(
            "modules_to_save names '"
                + module(name)
                + "', whose bias the choice bias '"
                + lora.bias().key()
                + "' trains as well");
      }
    }
    return tensors;
  }

  /**
   * The names under which the adapter has the biases that it trains, with those of the checkpoint.
   * In PEFT an adapted layer is a wrapper, and its bias is the wrapped one's.
   */
  public Map<String, String> biases(ModelConfig model) {
    Set<String> adapted =
        lora.pairs(model).stream().map(pair -> pair.module().name()).collect(Collectors.toSet());
    Map<String, String> names = new LinkedHashMap<>();
    for (String stored : lora.trainedBiases(model)) {
      String module = module(stored);
      names.put(adapted.contains(module) ? module + ".base_layer.bias" : stored, stored);
    }
    return names;
  }

  /**
   * The model's tensors that the adapter brings whole, in place of the base's.
   *
   * @throws IllegalArgumentException when the model has no such module, or a tied one
   */
  public List<String> replaced(ModelConfig model) {
    for (String ending : saved) {
      if (model.tensors().keySet().stream().noneMatch(name -> module(name).endsWith(ending))) {
        throw new IllegalArgumentException(
            "modules_to_save names '" + ending + "', which this base has not");
      }
    }
    List<String> replaced =
        model.tensors().keySet().stream()
            .filter(name -> saved.stream().anyMatch(ending -> module(name).endsWith(ending)))
            .toList();
    String embedding = model.decoder().names().embed();
    if (model.tiedEmbeddings() && replaced.contains(embedding + ".weight")) {
      throw new IllegalArgumentException(
          "modules_to_save names '"
              + embedding
              + "', which in this base is the output matrix as well (tie_word_embeddings): PEFT replaces the one"
              + " without the other, and the result is no model of this kind");
    }
    return replaced;
  }

  /**
   * The configuration of the model that merging makes: where the output matrix is adapted, it is no
   * longer the embedding.
   */
  public ModelConfig merged(ModelConfig model) {
    return model.tiedEmbeddings() && lora.head(model).isPresent() ? model.untied() : model;
  }

  /** A tensor's module: its name without its last part. */
  private static String module(String tensor) {
    return tensor.substring(0, tensor.lastIndexOf('.'));
  }

  /**
   * Reads an {@code adapter_config.json}.
   *
   * @param model the base's configuration, whose layers the file names
   * @throws CheckpointException when it is missing, malformed, uses an option that is not
   *     supported, which it names, or finds nothing in the model
   */
  public static AdapterConfig read(Path directory, ModelConfig model) {
    Path file = directory.resolve("adapter_config.json");
    ObjectNode json = JsonFile.read(file);
    try {
      AdapterConfig config = AdapterJson.parse(json);
      if (config.tensors(model).isEmpty()) {
        throw new IllegalArgumentException(
            "target_modules finds nothing in this base; its linear layers are "
                + String.join(", ", LoraOptions.targetNames(model)));
      }
      return config;
    } catch (IllegalArgumentException e) {
      throw new CheckpointException(file + ": " + e.getMessage() + ".", e);
    }
  }

  /** The file's content. */
  ObjectNode toJson() {
    return AdapterJson.write(this);
  }
}
