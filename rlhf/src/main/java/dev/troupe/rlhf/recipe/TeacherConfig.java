package dev.troupe.rlhf.recipe;

import dev.troupe.rlhf.limits.Limits;
import java.util.Optional;

/**
 * On-policy distillation: a larger, frozen model says of each sampled token how likely it would
 * have been.
 *
 * @param model directory of a model with the same tokenizer; absent for no teacher
 * @param adapter directory of an adapter on it
 * @param coefficient of log π_teacher − log π in a token's advantage
 * @param gamma discount with which later tokens' differences count
 */
public record TeacherConfig(
    Optional<String> model, Optional<String> adapter, double coefficient, double gamma) {
  public TeacherConfig {
    new Limits()
        .above("coefficient", coefficient, 0)
        .within("gamma", gamma, 0, 1)
        .condition(
            "adapter",
            adapter.orElse("null"),
            adapter.isEmpty() || model.isPresent(),
            "null without a model",
            "model")
        .verify();
  }

  /** What the teacher is made of. */
  public Optional<ModelStart> start() {
    return model.map(directory -> new ModelStart(directory, adapter));
  }
}
