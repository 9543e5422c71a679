package dev.troupe.rlhf.stage;

import dev.troupe.rlhf.recipe.ModelStart;
import dev.troupe.rlhf.recipe.Oracle;
import dev.troupe.rlhf.recipe.StageInputs;
import java.util.Optional;

/**
 * What a run gives to a stage: its data, and what earlier stages made.
 *
 * @param policy the newest
 * @param reward the newest reward model
 * @param oracle of the quickstart's data; measures and is never trained on
 */
public record StageSetting(
    StageInputs inputs, ModelStart policy, ModelStart reward, Optional<Oracle> oracle) {}
