package dev.troupe.rlhf.stage;

import dev.troupe.protocol.data.Head;
import dev.troupe.rlhf.recipe.OptimizerConfig;
import dev.troupe.rlhf.recipe.TuningConfig;
import java.util.Optional;

/**
 * A role that a stage plays, and what it does: for the plan of memory, for where roles are put, and
 * for checks before a run. A role scores where it neither trains nor answers.
 *
 * @param name as recipes open it: policy, critic, reward, reference or another
 * @param from what it starts from
 * @param training absent for one that stays as it is
 * @param answers prompts that it answers side by side; 0 for none
 */
public record RoleUse(String name, Part from, Head head, Optional<Training> training, int answers) {
  /**
   * How a role is trained.
   *
   * @param key of its tuning below the stage's section
   * @param sequences of one optimiser step, when there are enough samples
   */
  public record Training(
      String key, TuningConfig tuning, OptimizerConfig optimizer, long sequences) {}

  /** One that learns. */
  public static RoleUse trained(String name, Part from, Head head, Training training) {
    return new RoleUse(name, from, head, Optional.of(training), 0);
  }

  /** One that stays as it is. */
  public static RoleUse frozen(String name, Part from, Head head) {
    return new RoleUse(name, from, head, Optional.empty(), 0);
  }

  /** The same, and it answers so many prompts side by side. */
  public RoleUse answering(int prompts) {
    return new RoleUse(name, from, head, training, prompts);
  }
}
