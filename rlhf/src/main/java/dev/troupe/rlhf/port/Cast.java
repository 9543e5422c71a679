package dev.troupe.rlhf.port;

import dev.troupe.protocol.data.RoleSpec;
import java.util.concurrent.CompletionStage;

/** Puts roles on stage. */
public interface Cast {
  /**
   * Loads a role where the placement says; fails with a message for the user when it cannot be
   * loaded.
   */
  CompletionStage<Role> open(RoleSpec spec);
}
