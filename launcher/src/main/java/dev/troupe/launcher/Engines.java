package dev.troupe.launcher;

import dev.troupe.engine.HybridEngines;
import dev.troupe.engine.RoleEngine;

/** The hybrid engine of this JVM. */
final class Engines {
  private Engines() {}

  static RoleEngine.Factory create() {
    return new HybridEngines();
  }
}
