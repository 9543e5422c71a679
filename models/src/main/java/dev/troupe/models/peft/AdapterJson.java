package dev.troupe.models.peft;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.troupe.models.checkpoint.JsonFile;
import dev.troupe.models.peft.LoraOptions.Bias;
import dev.troupe.models.peft.LoraOptions.Initial;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;

/**
 * {@code adapter_config.json} as PEFT 0.17 to 0.21 write and read it. Complaints are
 * IllegalArgumentExceptions without the file's name.
 */
final class AdapterJson {
  /** Options that change the mathematics in ways that cannot be honoured. */
  private static final Map<String, String> MUST_BE_OFF =
      Map.ofEntries(
          Map.entry("use_qalora", "QALoRA"),
          Map.entry("lora_bias", "a bias on B"),
          Map.entry("layer_replication", "repeated layers"),
          Map.entry("trainable_token_indices", "trained embeddings"),
          Map.entry("target_parameters", "adapted parameters that are no linear layers"),
          Map.entry("megatron_config", "Megatron layers"),
          Map.entry("alora_invocation_tokens", "activated LoRA"),
          Map.entry("ensure_weight_tying", "one LoRA for embedding and output matrix"),
          Map.entry("use_bdlora", "block-diagonal LoRA"),
          Map.entry("arrow_config", "routing between adapters"),
          Map.entry("kasa_config", "KaSA"),
          Map.entry("monteclora_config", "MonteCLoRA"),
          Map.entry("velora_config", "VeLoRA"),
          Map.entry("lora_ga_config", "LoRA-GA, which changes the base"));

  private static final Set<String> UNDERSTOOD =
      Set.of(
          "peft_type",
          "r",
          "lora_alpha",
          "target_modules",
          "exclude_modules",
          "use_rslora",
          "use_dora",
          "layers_to_transform",
          "layers_pattern",
          "rank_pattern",
          "alpha_pattern",
          "lora_dropout",
          "bias",
          "init_lora_weights",
          "modules_to_save",
          "base_model_name_or_path");

  /** Keys that say nothing of what a finished adapter computes. */
  private static final Set<String> WITHOUT_EFFECT =
      Set.of(
          "auto_mapping",
          "task_type",
          "revision",
          "inference_mode",
          "peft_version",
          // Follows from the kind of layer: PEFT itself corrects it.
          "fan_in_fan_out",
          // Of options that are off, or of how it was initialised.
          "megatron_core",
          "qalora_group_size",
          "loftq_config",
          "eva_config",
          "corda_config",
          "runtime_config");

  /** PEFT itself adds both names for a sequence classifier; a Llama has only "score". */
  private static final List<String> HEADS = List.of("classifier", "score");

  /** Ways to start that leave the base as it is; the others take from the base what they add. */
  private static final Set<String> HARMLESS_STARTS = Set.of("gaussian", "eva", "orthogonal");

  private AdapterJson() {}

  static AdapterConfig parse(ObjectNode json) {
    String type = json.path("peft_type").asText("none");
    require(type.equals("LORA"), "peft_type '" + type + "' is not supported; expected LORA");
    for (Map.Entry<String, JsonNode> entry : json.properties()) {
      String key = entry.getKey();
      if (!UNDERSTOOD.contains(key) && !WITHOUT_EFFECT.contains(key) && !off(entry.getValue())) {
        String what = MUST_BE_OFF.get(key);
        throw new IllegalArgumentException(
            key
                + " is "
                + entry.getValue()
                + "; "
                + (what == null ? "this option is not known here" : what + " cannot be used"));
      }
    }
    LoraOptions lora =
        new LoraOptions(
            integer(json.path("r"), "r"),
            number(json.path("lora_alpha"), "lora_alpha"),
            off(json.path("target_modules"))
                ? new Modules.Names(List.of())
                : modules(json.path("target_modules"), "target_modules"),
            off(json.path("exclude_modules"))
                ? Optional.empty()
                : Optional.of(modules(json.path("exclude_modules"), "exclude_modules")),
            flag(json, "use_rslora"),
            layers(json.path("layers_to_transform")),
            texts(json.path("layers_pattern"), "layers_pattern"),
            patterns(json, "rank_pattern", AdapterJson::integer),
            patterns(json, "alpha_pattern", AdapterJson::number),
            off(json.path("lora_dropout")) ? 0 : number(json.path("lora_dropout"), "lora_dropout"),
            flag(json, "use_dora"),
            bias(json.path("bias").asText("none")),
            initial(json.path("init_lora_weights")));
    List<String> saved = texts(json.path("modules_to_save"), "modules_to_save");
    return new AdapterConfig(
        lora,
        saved.stream().anyMatch(HEADS::contains),
        saved.stream().filter(name -> !HEADS.contains(name)).toList(),
        flag(json, "fan_in_fan_out"),
        json.path("base_model_name_or_path").asText(""));
  }

  private static boolean off(JsonNode value) {
    return value.isMissingNode()
        || value.isNull()
        || (value.isBoolean() && !value.booleanValue())
        || (value.isContainerNode() && value.isEmpty());
  }

  private static boolean flag(ObjectNode json, String key) {
    JsonNode value = json.path(key);
    require(off(value) || value.isBoolean(), key + " must be true or false, found " + value);
    return value.asBoolean(false);
  }

  private static int integer(JsonNode value, String key) {
    require(
        value.isIntegralNumber() && value.canConvertToInt(),
        key + " must be a whole number, found " + value);
    return value.intValue();
  }

  private static double number(JsonNode value, String key) {
    require(value.isNumber(), key + " must be a number, found " + value);
    return value.doubleValue();
  }

  private static Modules modules(JsonNode value, String key) {
    if (value.isTextual()) {
      return value.asText().equalsIgnoreCase("all-linear")
          ? new Modules.AllLinear()
          : new Modules.Pattern(value.asText());
    }
    require(
        value.isArray(),
        key + " must be a list of names, a regular expression or \"all-linear\", found " + value);
    return new Modules.Names(texts(value, key));
  }

  private static List<String> texts(JsonNode value, String key) {
    if (off(value)) {
      return List.of();
    }
    if (value.isTextual()) {
      return List.of(value.asText());
    }
    require(value.isArray(), key + " must be a text or a list of texts, found " + value);
    List<String> texts = new ArrayList<>();
    for (JsonNode text : value) {
      require(text.isTextual(), key + " must hold texts, found " + text);
      texts.add(text.asText());
    }
    return texts;
  }

  private static List<Integer> layers(JsonNode value) {
    if (off(value)) {
      return List.of();
    }
    List<Integer> layers = new ArrayList<>();
    for (JsonNode layer : value.isArray() ? value : List.of(value)) {
      layers.add(integer(layer, "layers_to_transform"));
    }
    return layers;
  }

  /** Reads one value of a pattern. */
  private interface Value<T> {
    T read(JsonNode value, String key);
  }

  private static <T> Map<String, T> patterns(ObjectNode json, String key, Value<T> reader) {
    JsonNode value = json.path(key);
    if (off(value)) {
      return Map.of();
    }
    require(value.isObject(), key + " must be an object, found " + value);
    Map<String, T> patterns = new LinkedHashMap<>();
    for (Map.Entry<String, JsonNode> entry : value.properties()) {
      patterns.put(
          entry.getKey(), reader.read(entry.getValue(), key + " '" + entry.getKey() + "'"));
    }
    return patterns;
  }

  private static Bias bias(String value) {
    for (Bias bias : Bias.values()) {
      if (bias.key().equals(value)) {
        return bias;
      }
    }
    throw new IllegalArgumentException(
        "bias '" + value + "' is not known; expected none, all or lora_only");
  }

  private static Initial initial(JsonNode value) {
    if (value.isMissingNode() || value.isNull() || value.isBoolean()) {
      return Initial.KAIMING;
    }
    require(
        HARMLESS_STARTS.contains(value.asText()),
        "init_lora_weights is "
            + value
            + ", which changes the base; convert the adapter with PEFT to a plain LoRA"
            + " (save_pretrained with path_initial_model_for_weight_conversion)");
    return value.asText().equals("gaussian") ? Initial.GAUSSIAN : Initial.KAIMING;
  }

  private static void require(boolean condition, String message) {
    if (!condition) {
      throw new IllegalArgumentException(message);
    }
  }

  /** The file's content, what PEFT knows beyond it left at what it means by default. */
  static ObjectNode write(AdapterConfig config) {
    LoraOptions lora = config.lora();
    ObjectNode json = JsonFile.object();
    ObjectNode alphas = json.putObject("alpha_pattern");
    lora.alphaPattern().forEach((key, value) -> put(alphas, key, value));
    json.put("base_model_name_or_path", config.baseModel());
    json.put("bias", lora.bias().key());
    lora.excluded()
        .ifPresentOrElse(
            modules -> put(json, "exclude_modules", modules),
            () -> json.putNull("exclude_modules"));
    json.put("fan_in_fan_out", config.transposed());
    json.put("inference_mode", true);
    if (lora.initial() == Initial.GAUSSIAN) {
      json.put("init_lora_weights", "gaussian");
    } else {
      json.put("init_lora_weights", true);
    }
    if (lora.layersPattern().isEmpty()) {
      json.putNull("layers_pattern");
    } else {
      lora.layersPattern().forEach(json.putArray("layers_pattern")::add);
    }
    if (lora.layers().isEmpty()) {
      json.putNull("layers_to_transform");
    } else {
      lora.layers().forEach(json.putArray("layers_to_transform")::add);
    }
    put(json, "lora_alpha", lora.alpha());
    json.put("lora_dropout", lora.dropout());
    List<String> saved = new ArrayList<>(config.head() ? HEADS : List.of());
    saved.addAll(config.saved());
    if (saved.isEmpty()) {
      json.putNull("modules_to_save");
    } else {
      saved.forEach(json.putArray("modules_to_save")::add);
    }
    json.put("peft_type", "LORA");
    json.put("r", lora.rank());
    ObjectNode ranks = json.putObject("rank_pattern");
    lora.rankPattern().forEach(ranks::put);
    put(json, "target_modules", lora.targets());
    json.put("task_type", config.head() ? "SEQ_CLS" : "CAUSAL_LM");
    json.put("use_dora", lora.dora());
    json.put("use_rslora", lora.rankStabilised());
    return json;
  }

  /** Some readers take alpha only as a whole number. */
  private static void put(ObjectNode json, String key, double value) {
    if (value == Math.rint(value) && value < Integer.MAX_VALUE) {
      json.put(key, (int) value);
    } else {
      json.put(key, value);
    }
  }

  private static void put(ObjectNode json, String key, Modules modules) {
    if (modules instanceof Modules.Names list) {
      ArrayNode names = json.putArray(key);
      list.names().forEach(names::add);
    } else if (modules instanceof Modules.Pattern pattern) {
      json.put(key, pattern.regex());
    } else {
      json.put(key, "all-linear");
    }
  }
}
