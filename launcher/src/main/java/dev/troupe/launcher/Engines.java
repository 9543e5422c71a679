package dev.troupe.launcher;

import dev.troupe.engine.HybridEngines;
import dev.troupe.engine.RoleEngine;

/** The hybrid engine of this JVM. */
final class Engines {
  private Engines() {}

  /**
   * @param device a name that dev.troupe.models.torch.Device takes
   */
  static RoleEngine.Factory create(String device) {
    return HybridEngines.on(device);
  }
}
