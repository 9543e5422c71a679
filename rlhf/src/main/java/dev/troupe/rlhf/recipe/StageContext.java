package dev.troupe.rlhf.recipe;

import dev.troupe.rlhf.port.Cast;
import dev.troupe.rlhf.port.Checkpoints;
import dev.troupe.rlhf.port.Observer;

/**
 * What surrounds a recipe.
 *
 * @param stage its name in a run, which the observer and the checkpoints hear
 * @param output directory for the trained role
 * @param seed of everything random in the stage
 */
public record StageContext(
    String stage,
    Cast cast,
    Observer observer,
    Checkpoints checkpoints,
    String output,
    long seed) {}
