package dev.troupe.tests.reinforce;

import dev.troupe.rlhf.limits.Limits;
import dev.troupe.rlhf.recipe.EvaluationConfig;
import dev.troupe.rlhf.recipe.GenerationConfig;
import dev.troupe.rlhf.recipe.OptimizerConfig;
import dev.troupe.rlhf.recipe.TuningConfig;

/**
 * REINFORCE on answers that should have a length.
 *
 * @param iterations rounds of answer, score, learn
 * @param promptsPerIteration answered per round, all in one optimiser step
 * @param target tokens that an answer should have
 */
public record ReinforceConfig(
    int iterations,
    int promptsPerIteration,
    int target,
    GenerationConfig generation,
    TuningConfig tuning,
    OptimizerConfig optimizer,
    EvaluationConfig evaluation) {
  public ReinforceConfig {
    new Limits()
        .atLeast("iterations", iterations, 1)
        .atLeast("prompts-per-iteration", promptsPerIteration, 2)
        .atLeast("target", target, 1)
        .verify();
  }
}
