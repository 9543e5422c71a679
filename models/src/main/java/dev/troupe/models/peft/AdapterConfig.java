package dev.troupe.models.peft;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.troupe.models.checkpoint.CheckpointException;
import dev.troupe.models.checkpoint.JsonFile;
import dev.troupe.models.checkpoint.ModelConfig;
import dev.troupe.models.checkpoint.Shape;
import java.nio.file.Path;
import java.util.EnumSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;

/**
 * What an {@code adapter_config.json} says of a plain LoRA (Hu et al., arXiv:2106.09685): the same
 * rank on every layer, no bias, W + alpha / rank · B A.
 *
 * @param rank inner width of every pair, at least 1
 * @param alpha numerator of the scale
 * @param targets the linear layers that have a pair, the same in every decoder layer; may be empty
 *     when there is a head
 * @param head whether a head on the last hidden state, one number per position, belongs to it
 *     (value or reward)
 * @param baseModel the base's path or name, for people; not opened
 */
public record AdapterConfig(
    int rank, double alpha, Set<AdaptedLinear> targets, boolean head, String baseModel) {
  /**
   * The head's tensor, {@code (1, hiddenSize)}, as {@code LlamaForSequenceClassification} calls it.
   */
  public static final String HEAD = "score.weight";

  /** Options that change the mathematics, each with the values that leave it as it is. */
  private static final Map<String, String> MUST_BE_OFF =
      Map.ofEntries(
          Map.entry("use_dora", "DoRA"),
          Map.entry("use_rslora", "rank-stabilised LoRA"),
          Map.entry("use_qalora", "QALoRA"),
          Map.entry("lora_bias", "a bias on B"),
          Map.entry("fan_in_fan_out", "transposed layers"),
          Map.entry("rank_pattern", "ranks per layer"),
          Map.entry("alpha_pattern", "scales per layer"),
          Map.entry("layers_to_transform", "a choice of layers"),
          Map.entry("layer_replication", "repeated layers"),
          Map.entry("trainable_token_indices", "trained embeddings"),
          Map.entry("target_parameters", "adapted parameters that are no linear layers"),
          Map.entry("exclude_modules", "excluded layers"),
          Map.entry("megatron_config", "Megatron layers"));

  public AdapterConfig {
    if (rank < 1) {
      throw new IllegalArgumentException("r must be at least 1, found " + rank);
    }
    if (!(alpha > 0) || !Double.isFinite(alpha)) {
      throw new IllegalArgumentException("lora_alpha must be positive, found " + alpha);
    }
    Set<AdaptedLinear> ordered = EnumSet.noneOf(AdaptedLinear.class);
    ordered.addAll(targets);
    targets = Set.copyOf(ordered);
  }

  /** What B A is multiplied by. */
  public double scale() {
    return alpha / rank;
  }

  /** The targets in the order of the network. */
  public List<AdaptedLinear> inOrder() {
    return targets.stream().sorted().toList();
  }

  /**
   * Every tensor of such an adapter, named as PEFT does but without its prefix {@code
   * base_model.model.}.
   */
  public Map<String, Shape> tensors(ModelConfig model) {
    Map<String, Shape> tensors = new LinkedHashMap<>();
    for (int layer = 0; layer < model.layers(); layer++) {
      for (AdaptedLinear target : inOrder()) {
        tensors.put(target.nameOfA(model, layer), Shape.of(rank, target.inputs(model)));
        tensors.put(target.nameOfB(model, layer), Shape.of(target.outputs(model), rank));
      }
    }
    if (head) {
      tensors.put(HEAD, Shape.of(1, model.hiddenSize()));
    }
    return tensors;
  }

  /**
   * Reads an {@code adapter_config.json}.
   *
   * @param model the base's configuration, whose layers the file names
   * @throws CheckpointException when it is missing, malformed, or uses an option that is not
   *     supported, which it names
   */
  public static AdapterConfig read(Path directory, ModelConfig model) {
    Path file = directory.resolve("adapter_config.json");
    ObjectNode json = JsonFile.read(file);
    try {
      return parse(json, model);
    } catch (IllegalArgumentException e) {
      throw new CheckpointException(file + ": " + e.getMessage() + ".", e);
    }
  }

  private static AdapterConfig parse(ObjectNode json, ModelConfig model) {
    String type = json.path("peft_type").asText("none");
    require(type.equals("LORA"), "peft_type '" + type + "' is not supported; expected LORA");
    for (Map.Entry<String, String> option : MUST_BE_OFF.entrySet()) {
      JsonNode value = json.path(option.getKey());
      boolean off =
          value.isMissingNode()
              || value.isNull()
              || value.equals(json.booleanNode(false))
              || empty(value);
      require(off, option.getKey() + " is " + value + "; " + option.getValue() + " cannot be used");
    }
    String bias = json.path("bias").asText("none");
    require(bias.equals("none"), "bias '" + bias + "' is not supported; expected none");
    JsonNode rank = json.path("r");
    require(
        rank.isIntegralNumber() && rank.canConvertToInt(),
        "r must be a whole number, found " + rank);
    JsonNode alpha = json.path("lora_alpha");
    require(alpha.isNumber(), "lora_alpha must be a number, found " + alpha);
    return new AdapterConfig(
        rank.intValue(),
        alpha.doubleValue(),
        targets(json.path("target_modules"), model),
        head(json.path("modules_to_save")),
        json.path("base_model_name_or_path").asText(""));
  }

  private static boolean empty(JsonNode value) {
    return value.isContainerNode() && value.isEmpty();
  }

  private static Set<AdaptedLinear> targets(JsonNode modules, ModelConfig model) {
    if (modules.asText().equals("all-linear")) {
      return AdaptedLinear.of(model);
    }
    require(modules.isArray(), "target_modules must be a list or \"all-linear\", found " + modules);
    Set<AdaptedLinear> targets = EnumSet.noneOf(AdaptedLinear.class);
    for (JsonNode module : modules) {
      Set<AdaptedLinear> named = AdaptedLinear.named(model, module.asText());
      require(
          !named.isEmpty(),
          "target_modules names "
              + module
              + "; known are "
              + String.join(
                  ", ", AdaptedLinear.of(model).stream().map(AdaptedLinear::key).toList()));
      targets.addAll(named);
    }
    return targets;
  }

  private static boolean head(JsonNode modules) {
    boolean head = false;
    for (JsonNode module : modules) {
      // PEFT itself adds both names for a sequence classifier; a Llama has only "score".
      require(
          module.asText().equals("score") || module.asText().equals("classifier"),
          "modules_to_save names " + module + "; only the head \"score\" can be used");
      head = true;
    }
    return head;
  }

  private static void require(boolean condition, String message) {
    if (!condition) {
      throw new IllegalArgumentException(message);
    }
  }

  /** The file's content, every option that PEFT knows left at what it means by default. */
  ObjectNode toJson() {
    ObjectNode json = JsonFile.object();
    json.put("base_model_name_or_path", baseModel);
    json.put("bias", "none");
    json.put("fan_in_fan_out", false);
    json.put("inference_mode", true);
    json.put("init_lora_weights", true);
    // Some readers take alpha only as a whole number.
    if (alpha == Math.rint(alpha) && alpha < Integer.MAX_VALUE) {
      json.put("lora_alpha", (int) alpha);
    } else {
      json.put("lora_alpha", alpha);
    }
    json.put("lora_dropout", 0.0);
    if (head) {
      json.putArray("modules_to_save").add("classifier").add("score");
    } else {
      json.putNull("modules_to_save");
    }
    json.put("peft_type", "LORA");
    json.put("r", rank);
    ArrayNode modules = json.putArray("target_modules");
    inOrder().stream().map(AdaptedLinear::key).sorted().forEach(modules::add);
    json.put("task_type", head ? "SEQ_CLS" : "CAUSAL_LM");
    json.put("use_dora", false);
    json.put("use_rslora", false);
    return json;
  }
}
