package dev.troupe.rlhf.port;

import dev.troupe.protocol.data.RoleSpec;
import java.util.concurrent.CompletionStage;

/**
 * One role of a run, wherever it lives: what its model can do. A part of an algorithm that only
 * samples, or only trains, takes a {@link Sampler} or a {@link Learner}. Requests to one role are
 * carried out in order; roles work side by side.
 */
public interface Role extends Sampler, Learner {
  RoleSpec spec();

  /** Frees the role's memory. */
  CompletionStage<Void> close();
}
