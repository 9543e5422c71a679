package dev.troupe.models.checkpoint;

import static dev.troupe.models.checkpoint.ConfigKeys.require;

import dev.troupe.models.checkpoint.quantised.QuantisedFiles;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.Map;
import java.util.Set;

/**
 * Reads each known family's {@code config.json} into one description. As in {@code transformers},
 * {@code model_type} says which family it is; {@code architectures} does where that is absent.
 */
final class Families {
  /** Reads the configuration of one family. */
  private interface Reader {
    ModelConfig read(String architecture, ConfigKeys keys);
  }

  /**
   * A family as {@code transformers} knows it.
   *
   * @param architecture the class that transformers would build
   */
  private record Family(String architecture, Reader reader) {}

  /** By {@code model_type}. */
  private static final Map<String, Family> KNOWN = new LinkedHashMap<>();

  static {
    KNOWN.put("llama", new Family(ModelConfig.LLAMA, LlamaFamilies::llama));
    KNOWN.put("mistral", new Family("MistralForCausalLM", LlamaFamilies::mistral));
    KNOWN.put("ministral", new Family("MinistralForCausalLM", LlamaFamilies::mistral));
    KNOWN.put("phi3", new Family("Phi3ForCausalLM", LlamaFamilies::phi3));
    KNOWN.put("qwen2", new Family("Qwen2ForCausalLM", LlamaFamilies::qwen2));
    KNOWN.put("qwen3", new Family("Qwen3ForCausalLM", LlamaFamilies::qwen3));
    KNOWN.put("gemma2", new Family("Gemma2ForCausalLM", GemmaFamilies::gemma2));
    KNOWN.put("gemma3_text", new Family("Gemma3ForCausalLM", GemmaFamilies::gemma3));
    KNOWN.put("gpt2", new Family("GPT2LMHeadModel", LayerNormFamilies::gpt2));
    KNOWN.put("gpt_neox", new Family("GPTNeoXForCausalLM", LayerNormFamilies::neox));
    KNOWN.put("opt", new Family("OPTForCausalLM", LayerNormFamilies::opt));
    KNOWN.put("bloom", new Family("BloomForCausalLM", LayerNormFamilies::bloom));
  }

  private Families() {}

  static ModelConfig read(ConfigKeys keys) {
    String type = modelType(keys);
    Family family = KNOWN.get(type);
    if (keys.has(ModelConfig.QUANTISATION)) {
      QuantisedFiles.check(keys.copy().path(ModelConfig.QUANTISATION));
    }
    keys.mustBeOff("is_encoder_decoder", "a network with an encoder cannot be run");
    keys.mustBeOff("add_cross_attention", "cross-attention cannot be run");
    ModelConfig config = family.reader().read(family.architecture(), keys);
    keys.refuseOthers(HarmlessKeys.of(type), "model_type " + type);
    return config;
  }

  /** The values of {@code model_type} that are known. */
  static Set<String> modelTypes() {
    return Collections.unmodifiableSet(KNOWN.keySet());
  }

  /** The classes of {@code transformers} that are known. */
  static Set<String> architectures() {
    Set<String> names = new LinkedHashSet<>();
    KNOWN.values().forEach(family -> names.add(family.architecture()));
    return names;
  }

  /** The class that transformers builds for a {@code model_type} that is known. */
  static String architecture(String modelType) {
    return KNOWN.get(modelType).architecture();
  }

  private static String modelType(ConfigKeys keys) {
    String type = keys.text("model_type", "");
    if (!type.isEmpty()) {
      require(
          KNOWN.containsKey(type),
          "unknown model_type '" + type + "'; known are " + String.join(", ", modelTypes()));
      return type;
    }
    String found = keys.first("architectures");
    String known = String.join(", ", architectures());
    require(
        !found.isEmpty(),
        "it names neither its model_type nor its architectures; known are the types "
            + String.join(", ", modelTypes()));
    return KNOWN.entrySet().stream()
        .filter(entry -> entry.getValue().architecture().equals(found))
        .map(Map.Entry::getKey)
        .findFirst()
        .orElseThrow(
            () ->
                new IllegalArgumentException(
                    "unknown architecture '" + found + "'; known are " + known));
  }
}
