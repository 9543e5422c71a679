package dev.troupe.rlhf.recipe;

import dev.troupe.protocol.data.Numerics;
import dev.troupe.protocol.data.RoleSpec;
import dev.troupe.rlhf.port.Cast;
import dev.troupe.rlhf.port.Checkpoints;
import dev.troupe.rlhf.port.Observer;
import dev.troupe.rlhf.port.Role;
import java.util.concurrent.CompletionStage;

/**
 * What surrounds a recipe.
 *
 * @param stage its name in a run, which the observer and the checkpoints hear
 * @param numerics in what numbers its roles compute
 * @param output directory for the trained role
 * @param seed of everything random in the stage
 * @param skippedUpdates of one learner in a row after which the stage fails
 */
public record StageContext(
    String stage,
    Cast cast,
    Numerics numerics,
    Observer observer,
    Checkpoints checkpoints,
    String output,
    long seed,
    int skippedUpdates) {
  /** Loads a role in these numerics; fails as {@link Cast#open}. */
  public CompletionStage<Role> open(RoleSpec spec) {
    return cast.open(spec.with(numerics));
  }
}
