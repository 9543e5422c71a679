package dev.troupe.models.checkpoint;

import static dev.troupe.models.checkpoint.ConfigKeys.require;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;

/**
 * A model that also sees images, of which the text part is read: its {@code text_config}, and the
 * tensors of its language model. What sees the images is left out by name.
 */
final class MultimodalConfig {
  /**
   * @param text the {@code model_type} of a text_config that does not say it
   * @param tied whether the output matrix is the embedding when the file does not say so
   */
  private record Kind(String text, boolean tied) {}

  private static final Map<String, Kind> KNOWN =
      Map.of("gemma3", new Kind("gemma3_text", true), "mistral3", new Kind("mistral", true));

  /** Of the part that sees, and how its tokens are called. */
  private static final Set<String> OF_IMAGES =
      Set.of(
          "vision_config",
          "image_token_index",
          "image_token_id",
          "boi_token_index",
          "boi_token_id",
          "eoi_token_index",
          "eoi_token_id",
          "mm_tokens_per_image",
          "multimodal_projector_bias",
          "projector_hidden_act",
          "spatial_merge_size",
          "vision_feature_layer",
          "vision_feature_select_strategy");

  /** Gemma 3's own files leave out what transformers has as default. */
  private static final Map<String, Integer> GEMMA3_SIZES =
      Map.of(
          "vocab_size",
          262_208,
          "hidden_size",
          2304,
          "intermediate_size",
          9216,
          "num_hidden_layers",
          26,
          "num_attention_heads",
          8);

  private static final List<String> VISION =
      List.of("vision_tower.", "vision_model.", "multi_modal_projector.");

  private MultimodalConfig() {}

  /** Whether a file is of such a model. */
  static boolean is(ObjectNode json) {
    return KNOWN.containsKey(json.path("model_type").asText());
  }

  /**
   * The configuration of the text part alone, as a model of its own would have it.
   *
   * @throws IllegalArgumentException naming what cannot be read
   */
  static ObjectNode text(ObjectNode whole) {
    ConfigKeys keys = new ConfigKeys(whole);
    String type = keys.text("model_type", "");
    Kind kind = KNOWN.get(type);
    require(keys.has("text_config"), "text_config is missing; of '" + type + "' the text is run");
    ConfigKeys inner = keys.object("text_config");
    ObjectNode text = inner.copy();
    String textType = inner.text("model_type", kind.text);
    require(
        Families.modelTypes().contains(textType),
        "text_config: unknown model_type '"
            + textType
            + "'; known are "
            + String.join(", ", Families.modelTypes()));
    text.put("model_type", textType);
    text.putArray("architectures").add(Families.architecture(textType));
    // Of the two the outer one counts.
    text.put("tie_word_embeddings", keys.bool("tie_word_embeddings", kind.tied));
    if (textType.equals("gemma3_text")) {
      GEMMA3_SIZES.forEach(
          (key, size) -> {
            if (!text.has(key)) {
              text.put(key, size);
            }
          });
    }
    ends(text, whole);
    for (String key :
        List.of("transformers_version", "quantization_config", "pad_token_id", "bos_token_id")) {
      if (keys.has(key) && !text.hasNonNull(key)) {
        text.set(key, whole.get(key));
      }
    }
    Set<String> harmless = new HashSet<>(HarmlessKeys.of(""));
    harmless.addAll(OF_IMAGES);
    keys.refuseOthers(harmless, "model_type " + type);
    return text;
  }

  /** Ends of text that the file names outside stand behind those inside. */
  private static void ends(ObjectNode text, ObjectNode whole) {
    if (!whole.hasNonNull("eos_token_id")) {
      return;
    }
    ArrayNode ends = text.arrayNode();
    for (JsonNode those : new JsonNode[] {text.path("eos_token_id"), whole.path("eos_token_id")}) {
      if (those.isArray()) {
        those.forEach(ends::add);
      } else if (!those.isMissingNode() && !those.isNull()) {
        ends.add(those);
      }
    }
    text.set("eos_token_id", ends);
  }

  /** A tensor's name in the text part alone; empty for what sees images. */
  static Optional<String> textName(String name) {
    String plain = name.startsWith("model.") ? name.substring("model.".length()) : name;
    if (VISION.stream().anyMatch(plain::startsWith)) {
      return Optional.empty();
    }
    if (name.startsWith("language_model.")) {
      return Optional.of(name.substring("language_model.".length()));
    }
    if (name.startsWith("model.language_model.")) {
      return Optional.of("model." + name.substring("model.language_model.".length()));
    }
    return Optional.of(name);
  }
}
