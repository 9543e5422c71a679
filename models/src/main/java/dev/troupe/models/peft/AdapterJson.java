package dev.troupe.models.peft;

import static dev.troupe.models.peft.AdapterKeys.flag;
import static dev.troupe.models.peft.AdapterKeys.off;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.troupe.models.checkpoint.JsonFile;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;

/**
 * {@code adapter_config.json} as PEFT 0.17 to 0.21 write and read it. Complaints are
 * IllegalArgumentExceptions without the file's name.
 */
final class AdapterJson {
  /** By {@code peft_type}, in the order in which they are told. */
  private static final Map<String, MethodJson<?>> METHODS = new LinkedHashMap<>();

  static {
    METHODS.put(LoraOptions.TYPE, new LoraJson());
    METHODS.put(Ia3.TYPE, new Ia3Json());
    METHODS.put(Loha.TYPE, new LohaJson());
    METHODS.put(Lokr.TYPE, new LokrJson());
    METHODS.put(Oft.TYPE, new OftJson());
    METHODS.put(Vera.TYPE, new VeraJson());
    METHODS.put(Boft.TYPE, new BoftJson());
    METHODS.put(AdaLora.TYPE, new AdaLoraJson());
    METHODS.put(PrefixTuning.TYPE, new PrefixTuningJson());
    METHODS.put(PromptTuning.TYPE, new PromptTuningJson());
    METHODS.put(PTuning.TYPE, new PTuningJson());
    METHODS.put(LnTuning.TYPE, new LnTuningJson());
    METHODS.put(Bitfit.TYPE, new BitfitJson());
    METHODS.put(Partial.TYPE, new PartialJson());
  }

  /** Follows from the kind of layer: PEFT itself corrects it. */
  private static final String TRANSPOSED = "fan_in_fan_out";

  private static final Set<String> COMMON =
      Set.of(
          "peft_type",
          "modules_to_save",
          "base_model_name_or_path",
          // These say nothing of what a finished adapter computes.
          "auto_mapping",
          "task_type",
          "revision",
          "inference_mode",
          "peft_version",
          TRANSPOSED);

  /** PEFT itself adds both names for a sequence classifier; a Llama has only "score". */
  private static final List<String> HEADS = List.of("classifier", "score");

  private AdapterJson() {}

  static AdapterConfig parse(ObjectNode json) {
    String type = json.path("peft_type").asText("none");
    MethodJson<?> method = METHODS.get(type);
    if (method == null) {
      throw new IllegalArgumentException(
          "peft_type '"
              + type
              + "' is not supported; expected "
              + String.join(", ", METHODS.keySet()));
    }
    for (Map.Entry<String, JsonNode> entry : json.properties()) {
      String key = entry.getKey();
      if (!method.keys().contains(key) && !COMMON.contains(key) && !off(entry.getValue())) {
        String what = method.mustBeOff().get(key);
        throw new IllegalArgumentException(
            key
                + " is "
                + entry.getValue()
                + "; "
                + (what == null ? "this option is not known here" : what + " cannot be used"));
      }
    }
    PeftMethod read = method.read(json);
    List<String> saved = AdapterKeys.texts(json.path("modules_to_save"), "modules_to_save");
    return new AdapterConfig(
        read,
        saved.stream().anyMatch(HEADS::contains),
        saved.stream().filter(name -> !HEADS.contains(name)).toList(),
        flag(json, TRANSPOSED),
        json.path("base_model_name_or_path").asText(""));
  }

  /** The file's content, its keys in order as PEFT has them. */
  static ObjectNode write(AdapterConfig config) {
    ObjectNode json = JsonFile.object();
    json.put("base_model_name_or_path", config.baseModel());
    json.put("inference_mode", true);
    List<String> saved = new ArrayList<>(config.head() ? HEADS : List.of());
    saved.addAll(config.saved());
    AdapterKeys.putTexts(json, "modules_to_save", saved);
    json.put("peft_type", config.method().type());
    json.put("task_type", config.head() ? "SEQ_CLS" : "CAUSAL_LM");
    writeMethod(config, json);
    ObjectNode sorted = JsonFile.object();
    Map<String, JsonNode> keys = new TreeMap<>();
    json.properties().forEach(entry -> keys.put(entry.getKey(), entry.getValue()));
    sorted.setAll(keys);
    return sorted;
  }

  private static void writeMethod(AdapterConfig config, ObjectNode json) {
    MethodJson<?> method = METHODS.get(config.method().type());
    if (method.keys().contains(TRANSPOSED)) {
      json.put(TRANSPOSED, config.transposed());
    }
    method.writeOwn(config.method(), json);
  }
}
