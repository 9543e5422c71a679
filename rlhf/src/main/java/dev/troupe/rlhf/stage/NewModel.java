package dev.troupe.rlhf.stage;

import dev.troupe.rlhf.recipe.ModelInitConfig;

/**
 * A model with random weights that a stage begins from.
 *
 * @param key of its shape in the configuration
 */
public record NewModel(String key, ModelInitConfig shape) {}
