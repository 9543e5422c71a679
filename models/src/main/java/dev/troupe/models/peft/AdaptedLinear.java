package dev.troupe.models.peft;

/**
 * The places of a decoder layer's linear layers in the kernels, in the order of the network, by a
 * Llama's names.
 */
public enum AdaptedLinear {
  Q_PROJ("q_proj"),
  K_PROJ("k_proj"),
  V_PROJ("v_proj"),
  O_PROJ("o_proj"),
  GATE_PROJ("gate_proj"),
  UP_PROJ("up_proj"),
  DOWN_PROJ("down_proj");

  private final String key;

  AdaptedLinear(String key) {
    this.key = key;
  }

  /** A Llama's name in {@code target_modules}, for example {@code q_proj}. */
  public String key() {
    return key;
  }
}
