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
 * @param rollouts how sampling goes beside scoring and learning, where the stage samples
 * @param output directory for the trained role
 * @param seed of everything random in the stage
 * @param skippedUpdates of one learner in a row after which the stage fails
 */
public record StageContext(
    String stage,
    Cast cast,
    Numerics numerics,
    RolloutsConfig rollouts,
    Observer observer,
    Checkpoints checkpoints,
    String output,
    long seed,
    int skippedUpdates) {
  /** Learned from by the weights that sampled. */
  public StageContext(
      String stage,
      Cast cast,
      Numerics numerics,
      Observer observer,
      Checkpoints checkpoints,
      String output,
      long seed,
      int skippedUpdates) {
    this(
        stage,
        cast,
        numerics,
        RolloutsConfig.ON_POLICY,
        observer,
        checkpoints,
        output,
        seed,
        skippedUpdates);
  }

  /** Loads a role in these numerics; fails as {@link Cast#open}. */
  public CompletionStage<Role> open(RoleSpec spec) {
    return cast.open(spec.with(numerics));
  }
}
