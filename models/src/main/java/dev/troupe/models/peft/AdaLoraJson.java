package dev.troupe.models.peft;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;

/** AdaLoRA's keys, as PEFT 0.21 writes and reads them. */
final class AdaLoraJson implements MethodJson<AdaLora> {
  @Override
  public Class<AdaLora> method() {
    return AdaLora.class;
  }

  @Override
  public Set<String> keys() {
    return TargetKeys.with(
        "init_r",
        "target_r",
        "tinit",
        "tfinal",
        "deltaT",
        "beta1",
        "beta2",
        "orth_reg_weight",
        "total_step",
        "lora_alpha",
        "rank_pattern",
        "fan_in_fan_out",
        // LoRA's, which PEFT does not look at here, or of training alone.
        "r",
        "alpha_pattern",
        "lora_dropout",
        "bias",
        "init_lora_weights",
        "megatron_core",
        "qalora_group_size",
        "loftq_config",
        "runtime_config");
  }

  @Override
  public AdaLora read(ObjectNode json) {
    AdapterKeys.require(
        json.path("bias").asText("none").equals("none"),
        "bias '" + json.path("bias").asText() + "' cannot be used with AdaLoRA; expected none");
    return new AdaLora(
        TargetKeys.read(json),
        integer(json, "init_r", 12),
        AdapterKeys.off(json.path("lora_alpha"))
            ? 8
            : AdapterKeys.number(json.path("lora_alpha"), "lora_alpha"),
        new AdaLora.Budget(
            integer(json, "target_r", 8),
            integer(json, "tinit", 0),
            integer(json, "tfinal", 0),
            integer(json, "deltaT", 1),
            number(json, "beta1", 0.85),
            number(json, "beta2", 0.85),
            number(json, "orth_reg_weight", 0.5),
            integer(json, "total_step", 1)),
        kept(json.path("rank_pattern")));
  }

  private static Map<String, List<Boolean>> kept(JsonNode patterns) {
    Map<String, List<Boolean>> kept = new HashMap<>();
    for (Map.Entry<String, JsonNode> entry : patterns.properties()) {
      AdapterKeys.require(
          entry.getKey().endsWith(AdaLora.E) && entry.getValue().isArray(),
          "rank_pattern must have a list of true and false for each '….lora_E', found "
              + entry.getKey());
      List<Boolean> each = new ArrayList<>();
      entry.getValue().forEach(value -> each.add(value.asBoolean()));
      kept.put(entry.getKey().substring(0, entry.getKey().length() - AdaLora.E.length()), each);
    }
    return kept;
  }

  private static int integer(ObjectNode json, String key, int otherwise) {
    return AdapterKeys.off(json.path(key)) ? otherwise : AdapterKeys.integer(json.path(key), key);
  }

  private static double number(ObjectNode json, String key, double otherwise) {
    return AdapterKeys.off(json.path(key)) ? otherwise : AdapterKeys.number(json.path(key), key);
  }

  @Override
  public void write(AdaLora method, ObjectNode json) {
    AdaLora.Budget budget = method.budget();
    TargetKeys.write(method.targets(), json);
    json.put("beta1", budget.beta1());
    json.put("beta2", budget.beta2());
    json.put("bias", "none");
    json.put("deltaT", budget.everySteps());
    json.put("init_lora_weights", true);
    json.put("init_r", method.firstRank());
    AdapterKeys.put(json, "lora_alpha", method.alpha());
    json.put("lora_dropout", 0.0);
    json.put("orth_reg_weight", budget.orthogonality());
    if (method.kept().isEmpty()) {
      json.putNull("rank_pattern");
    } else {
      ObjectNode patterns = json.putObject("rank_pattern");
      method.kept().keySet().stream()
          .sorted()
          .forEach(
              module -> {
                ArrayNode pattern = patterns.putArray(module + AdaLora.E);
                method.kept().getOrDefault(module, List.of()).forEach(pattern::add);
              });
    }
    json.put("target_r", budget.targetRank());
    json.put("tfinal", budget.lastSteps());
    json.put("tinit", budget.firstSteps());
    json.put("total_step", budget.totalSteps());
  }
}
