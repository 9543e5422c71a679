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
import java.util.Optional;
import java.util.Set;

/**
 * What an {@code adapter_config.json} says.
 *
 * @param method what it changes and how; it may find nothing in the model when there is a head
 * @param head whether a head on the last hidden state, one number per position, belongs to it
 *     (value or reward)
 * @param saved modules of the model that the adapter brings whole, in place of the base's, by the
 *     ends of their names
 * @param transposed whether the base stores (inputs, outputs); only for PEFT, which warns otherwise
 * @param baseModel the base's path or name, for people; not opened
 */
public record AdapterConfig(
    PeftMethod method, boolean head, List<String> saved, boolean transposed, String baseModel) {
  /**
   * The head's tensor, {@code (1, hiddenSize)}, as {@code LlamaForSequenceClassification} calls it.
   */
  public static final String HEAD = "score.weight";

  public AdapterConfig {
    saved = saved.stream().distinct().sorted().toList();
  }

  /** One that brings no module whole. */
  public AdapterConfig(PeftMethod method, boolean head, String baseModel) {
    this(method, head, List.of(), false, baseModel);
  }

  /** LoRA of the same rank on the same layers of a Llama. */
  public AdapterConfig(
      int rank, double alpha, Set<AdaptedLinear> targets, boolean head, String baseModel) {
    this(LoraOptions.plain(rank, alpha, targets), head, baseModel);
  }

  /** The method, where it is LoRA. */
  public Optional<LoraOptions> lora() {
    return method instanceof LoraOptions lora ? Optional.of(lora) : Optional.empty();
  }

  /**
   * The base's matrices that PEFT saves beside a pair on the embedding or the output matrix: their
   * names in the adapter, with those in the checkpoint. A file may lack them.
   */
  public Map<String, String> copies(ModelConfig model) {
    Map<String, String> names = new LinkedHashMap<>();
    headPair(model).ifPresent(pair -> names.put(pair.nameOfBase(), pair.stored()));
    lora()
        .flatMap(found -> found.embedding(model))
        .ifPresent(pair -> names.put(pair.nameOfBase(), pair.stored()));
    return names;
  }

  /** The output matrix's pair, where LoRA has one there. */
  public Optional<HeadPair> headPair(ModelConfig model) {
    return lora().flatMap(found -> found.head(model));
  }

  /**
   * Every tensor of such an adapter, named as PEFT does but without its prefix {@code
   * base_model.model.}.
   *
   * @throws IllegalArgumentException when a choice cannot be honoured on this model
   */
  public Map<String, Shape> tensors(ModelConfig model) {
    Map<String, Shape> tensors = new LinkedHashMap<>(method.tensors(model));
    Map<String, String> own = method.whole(model);
    own.forEach((name, stored) -> tensors.put(name, shape(model, stored)));
    if (head) {
      tensors.put(HEAD, Shape.of(1, model.hiddenSize()));
    }
    for (String name : replaced(model)) {
      String module = WholeWeights.module(name);
      boolean adapted =
          method.modules(model).stream().anyMatch(linear -> linear.name().equals(module))
              || copies(model).containsValue(name);
      if (adapted) {
        throw new IllegalArgumentException(
            "modules_to_save names '" + module + "', which target_modules adapts as well");
      }
      if (name.equals(model.decoder().names().embed() + ".weight")
          && lora().filter(found -> !found.beside().tokens().isEmpty()).isPresent()) {
        throw new IllegalArgumentException(
            "modules_to_save names '"
                + module
                + "', rows of which trainable_token_indices trains as well");
      }
      if (own.containsValue(name)) {
        throw new IllegalArgumentException(
            "modules_to_save names '"
                + module
                + "', whose "
                + name.substring(module.length() + 1)
                + " "
                + lora()
                    .map(lora -> "the choice bias '" + lora.bias().key() + "'")
                    .orElse(method.describe())
                + " trains as well");
      }
      tensors.put(name, shape(model, name));
    }
    return tensors;
  }

  private static Shape shape(ModelConfig model, String stored) {
    return Objects.requireNonNull(model.tensors().get(stored), stored);
  }

  /**
   * The model's tensors that the adapter brings whole: their names in the adapter, with those in
   * the checkpoint.
   *
   * @throws IllegalArgumentException when a choice cannot be honoured on this model
   */
  public Map<String, String> whole(ModelConfig model) {
    Map<String, String> names = new LinkedHashMap<>(method.whole(model));
    replaced(model).forEach(name -> names.put(name, name));
    return names;
  }

  /**
   * The model's tensors that the adapter brings whole as {@link #saved}, in place of the base's.
   *
   * @throws IllegalArgumentException when the model has no such module, or a tied one
   */
  public List<String> replaced(ModelConfig model) {
    for (String ending : saved) {
      if (model.tensors().keySet().stream()
          .noneMatch(name -> WholeWeights.module(name).endsWith(ending))) {
        throw new IllegalArgumentException(
            "modules_to_save names '" + ending + "', which this base has not");
      }
    }
    List<String> replaced =
        model.tensors().keySet().stream()
            .filter(name -> saved.stream().anyMatch(WholeWeights.module(name)::endsWith))
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
   * The configuration of the model that merging makes: where the output matrix or the embedding has
   * a pair of its own, the one is no longer the other.
   */
  public ModelConfig merged(ModelConfig model) {
    return model.tiedEmbeddings() && !copies(model).isEmpty() ? model.untied() : model;
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
