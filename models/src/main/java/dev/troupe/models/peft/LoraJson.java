package dev.troupe.models.peft;

import static dev.troupe.models.peft.AdapterKeys.flag;
import static dev.troupe.models.peft.AdapterKeys.integer;
import static dev.troupe.models.peft.AdapterKeys.number;
import static dev.troupe.models.peft.AdapterKeys.off;
import static dev.troupe.models.peft.AdapterKeys.patterns;
import static dev.troupe.models.peft.AdapterKeys.require;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.troupe.models.peft.LoraOptions.Bias;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;

/** LoRA's keys, as PEFT 0.17 to 0.21 write and read them. */
final class LoraJson implements MethodJson<LoraOptions> {
  /** Options that change the mathematics in ways that cannot be honoured. */
  private static final Map<String, String> MUST_BE_OFF =
      Map.ofEntries(
          Map.entry("use_qalora", "QALoRA"),
          Map.entry("layer_replication", "repeated layers"),
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

  private static final Set<String> KEYS =
      Set.of(
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
          "lora_bias",
          "trainable_token_indices",
          "fan_in_fan_out",
          // Of options that are off, or of how it was initialised.
          "megatron_core",
          "qalora_group_size",
          "loftq_config",
          "eva_config",
          "corda_config",
          "runtime_config");

  /**
   * Ways to start that leave the base as it is, and say nothing of what a finished adapter
   * computes.
   */
  private static final Set<String> HARMLESS_STARTS = Set.of("eva");

  private static final Map<String, LoraStart> STARTS =
      Map.of(
          "gaussian",
          LoraStart.GAUSSIAN,
          "orthogonal",
          new LoraStart(LoraStart.Kind.ORTHOGONAL, 0),
          "pissa",
          new LoraStart(LoraStart.Kind.PISSA, 0),
          "olora",
          new LoraStart(LoraStart.Kind.OLORA, 0));

  @Override
  public Class<LoraOptions> method() {
    return LoraOptions.class;
  }

  @Override
  public Set<String> keys() {
    return KEYS;
  }

  @Override
  public Map<String, String> mustBeOff() {
    return MUST_BE_OFF;
  }

  @Override
  public LoraOptions read(ObjectNode json) {
    return new LoraOptions(
        integer(json.path("r"), "r"),
        number(json.path("lora_alpha"), "lora_alpha"),
        AdapterKeys.targets(json),
        AdapterKeys.optionalModules(json, "exclude_modules"),
        flag(json, "use_rslora"),
        AdapterKeys.integers(json, "layers_to_transform"),
        AdapterKeys.texts(json.path("layers_pattern"), "layers_pattern"),
        patterns(json, "rank_pattern", AdapterKeys::integer),
        patterns(json, "alpha_pattern", AdapterKeys::number),
        off(json.path("lora_dropout")) ? 0 : number(json.path("lora_dropout"), "lora_dropout"),
        flag(json, "use_dora"),
        bias(json.path("bias").asText("none")),
        initial(json.path("init_lora_weights")),
        new LoraOptions.Beside(flag(json, "lora_bias"), tokens(json)));
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

  private static LoraStart initial(JsonNode value) {
    if (value.isMissingNode()
        || value.isNull()
        || value.isBoolean()
        || HARMLESS_STARTS.contains(value.asText())) {
      return LoraStart.KAIMING;
    }
    LoraStart start = STARTS.get(value.asText());
    require(
        start != null,
        "init_lora_weights is "
            + value
            + ", which changes the base in a way that cannot be found again; convert the adapter with PEFT to a plain LoRA"
            + " (save_pretrained with path_initial_model_for_weight_conversion)");
    return Objects.requireNonNull(start);
  }

  /** A list, or one of the embedding's by its name. */
  private static List<Integer> tokens(ObjectNode json) {
    String key = "trainable_token_indices";
    JsonNode value = json.path(key);
    if (off(value) || !value.isObject()) {
      return AdapterKeys.integers(json, key);
    }
    String module = value.properties().iterator().next().getKey();
    require(
        value.size() == 1 && !module.endsWith("lm_head") && !module.endsWith("embed_out"),
        key + " must be of the embedding alone, found " + value);
    List<Integer> found = new ArrayList<>();
    value.iterator().next().forEach(token -> found.add(integer(token, key)));
    return found;
  }

  /** What PEFT knows beyond it is left at what it means by default. */
  @Override
  public void write(LoraOptions lora, ObjectNode json) {
    ObjectNode alphas = json.putObject("alpha_pattern");
    lora.alphaPattern().forEach((key, value) -> AdapterKeys.put(alphas, key, value));
    json.put("bias", lora.bias().key());
    AdapterKeys.putModules(json, "exclude_modules", lora.excluded());
    STARTS.entrySet().stream()
        .filter(entry -> entry.getValue().kind() == lora.initial().kind())
        .findFirst()
        .ifPresentOrElse(
            entry -> json.put("init_lora_weights", entry.getKey()),
            () -> json.put("init_lora_weights", true));
    AdapterKeys.putTexts(json, "layers_pattern", lora.layersPattern());
    if (lora.layers().isEmpty()) {
      json.putNull("layers_to_transform");
    } else {
      lora.layers().forEach(json.putArray("layers_to_transform")::add);
    }
    AdapterKeys.put(json, "lora_alpha", lora.alpha());
    json.put("lora_bias", lora.beside().biasOfB());
    json.put("lora_dropout", lora.dropout());
    json.put("r", lora.rank());
    ObjectNode ranks = json.putObject("rank_pattern");
    lora.rankPattern().forEach(ranks::put);
    AdapterKeys.put(json, "target_modules", lora.targets());
    if (lora.beside().tokens().isEmpty()) {
      json.putNull("trainable_token_indices");
    } else {
      lora.beside().tokens().forEach(json.putArray("trainable_token_indices")::add);
    }
    json.put("use_dora", lora.dora());
    json.put("use_rslora", lora.rankStabilised());
  }
}
