package dev.troupe.models.peft;

import dev.troupe.models.checkpoint.ModelConfig;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;

/** The linear layers of a decoder layer that an adapter may change, in the order of the network. */
public enum AdaptedLinear {
  Q_PROJ("q_proj", "self_attn"),
  K_PROJ("k_proj", "self_attn"),
  V_PROJ("v_proj", "self_attn"),
  O_PROJ("o_proj", "self_attn"),
  GATE_PROJ("gate_proj", "mlp"),
  UP_PROJ("up_proj", "mlp"),
  DOWN_PROJ("down_proj", "mlp");

  private final String key;
  private final String block;

  AdaptedLinear(String key, String block) {
    this.key = key;
    this.block = block;
  }

  /** The name in {@code target_modules}, for example {@code q_proj}. */
  public String key() {
    return key;
  }

  /** The layer by its name in {@code target_modules}. */
  public static Optional<AdaptedLinear> of(String key) {
    return Arrays.stream(values()).filter(linear -> linear.key.equals(key)).findFirst();
  }

  static List<String> keys() {
    return Arrays.stream(values()).map(AdaptedLinear::key).toList();
  }

  /** Width of its input. */
  public int inputs(ModelConfig model) {
    return switch (this) {
      case Q_PROJ, K_PROJ, V_PROJ, GATE_PROJ, UP_PROJ -> model.hiddenSize();
      case O_PROJ -> model.heads() * model.headDim();
      case DOWN_PROJ -> model.intermediateSize();
    };
  }

  /** Width of its output. */
  public int outputs(ModelConfig model) {
    return switch (this) {
      case Q_PROJ -> model.heads() * model.headDim();
      case K_PROJ, V_PROJ -> model.kvHeads() * model.headDim();
      case O_PROJ, DOWN_PROJ -> model.hiddenSize();
      case GATE_PROJ, UP_PROJ -> model.intermediateSize();
    };
  }

  /**
   * The name of LoRA's A in a layer, {@code (rank, inputs)}: {@code
   * model.layers.0.self_attn.q_proj.lora_A.weight}.
   */
  public String nameOfA(int layer) {
    return prefix(layer) + ".lora_A.weight";
  }

  /** The name of LoRA's B in a layer, {@code (outputs, rank)}. */
  public String nameOfB(int layer) {
    return prefix(layer) + ".lora_B.weight";
  }

  private String prefix(int layer) {
    return "model.layers." + layer + "." + block + "." + key;
  }
}
