package dev.troupe.launcher;

import java.nio.file.Path;
import java.util.Optional;

/** A checkpoint on the hybrid engine. */
final class OpenedModel {
  private OpenedModel() {}

  static OneModel open(Path model, Optional<Path> adapter, double temperature) {
    if (temperature < 0) {
      return null;
    }
    throw new UserException("STUB " + model + adapter);
  }
}
