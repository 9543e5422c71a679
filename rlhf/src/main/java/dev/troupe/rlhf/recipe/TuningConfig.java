package dev.troupe.rlhf.recipe;

import dev.troupe.protocol.data.Tuning;
import java.util.List;
import java.util.TreeSet;

/** What a stage trains: an adapter, or every weight. */
public sealed interface TuningConfig {
  /** As the roles want it. */
  Tuning tuning();

  /**
   * A LoRA adapter.
   *
   * @param rank of each pair of matrices, at least 1
   * @param alpha scale: y = Wx + (alpha / rank) B A x
   * @param targets linear layers by the names that the model's family gives them, or all-linear
   */
  record Lora(int rank, double alpha, List<String> targets) implements TuningConfig {
    private static final List<String> KNOWN =
        List.of(
            "q_proj",
            "k_proj",
            "v_proj",
            "o_proj",
            "gate_proj",
            "up_proj",
            "down_proj",
            "all-linear",
            "qkv_proj",
            "gate_up_proj");

    public Lora {
      targets = List.copyOf(targets);
      TreeSet<String> unknown = new TreeSet<>(targets);
      KNOWN.forEach(unknown::remove);
      new Limits()
          .atLeast("rank", rank, 1)
          .above("alpha", alpha, 0)
          .condition(
              "targets",
              targets,
              !targets.isEmpty() && unknown.isEmpty(),
              "one or more of " + String.join(", ", KNOWN))
          .verify();
    }

    @Override
    public Tuning tuning() {
      return new Tuning.Lora(rank, alpha, targets);
    }
  }

  /** Every weight of the role's own copy of the model. */
  record Full() implements TuningConfig {
    @Override
    public Tuning tuning() {
      return new Tuning.Full();
    }
  }
}
