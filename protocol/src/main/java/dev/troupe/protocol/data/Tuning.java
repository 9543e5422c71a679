package dev.troupe.protocol.data;

import java.util.List;

/** Which parameters of a role are trained; a value head is trained whenever anything is. */
public sealed interface Tuning {
  /** Nothing: a reference or a finished reward model. */
  record Frozen() implements Tuning {}

  /**
   * A LoRA adapter (Hu et al. 2021): y = Wx + (alpha / rank) B A x.
   *
   * @param targets the linear layers, of q_proj, k_proj, v_proj, o_proj, gate_proj, up_proj,
   *     down_proj
   */
  record Lora(int rank, double alpha, List<String> targets) implements Tuning {
    public Lora {
      if (rank < 1) {
        throw new IllegalArgumentException("LoRA rank is " + rank + ", must be at least 1");
      }
      targets = List.copyOf(targets);
    }
  }

  /** Every weight of the role's own copy of the model. */
  record Full() implements Tuning {}
}
