package dev.troupe.rlhf.recipe;

import dev.troupe.rlhf.limits.Limits;

/**
 * Measurement on held-out prompts before and after training.
 *
 * @param heldOut prompts kept out of training
 * @param samples replies shown before and after
 * @param generation how the held-out prompts are answered
 */
public record EvaluationConfig(int heldOut, int samples, GenerationConfig generation) {
  public EvaluationConfig {
    new Limits().atLeast("held-out", heldOut, 1).atLeast("samples", samples, 0).verify();
  }
}
