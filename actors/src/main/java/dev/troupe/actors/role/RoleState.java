package dev.troupe.actors.role;

import dev.troupe.engine.RoleEngine;
import org.jspecify.annotations.Nullable;

/** Hears what a role's actor is doing. Calls come from the actor. */
public interface RoleState {
  /**
   * @param state starting, idle, busy, failed, stopped
   * @param activity what it is busy with, or why it failed
   * @param engine its engine once opened
   */
  void changed(String state, String activity, @Nullable RoleEngine engine);
}
