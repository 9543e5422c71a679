package dev.troupe.rlhf.recipe;

import dev.troupe.rlhf.limits.Limits;

/**
 * Pre-training of a new model: a tokenizer trained on the text, random weights, then {@code
 * SftRecipe} on every token.
 *
 * @param model its shape
 * @param training must tune every weight
 */
public record PretrainConfig(ModelInitConfig model, SftConfig training) {
  public PretrainConfig {
    new Limits()
        .condition(
            "training.tuning.type",
            training.tuning().type(),
            training.tuning() instanceof TuningConfig.Full,
            "full, random weights have nothing to adapt")
        .verify();
  }
}
