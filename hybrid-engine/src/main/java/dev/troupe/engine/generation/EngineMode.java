package dev.troupe.engine.generation;

import dev.troupe.protocol.data.Storage;

/**
 * What a role's engine is doing. A transition exists only where it is legal: from {@link Training}
 * to {@link Generating} by a flip, and back by a release.
 */
public sealed interface EngineMode {
  /** As errors name it. */
  String describe();

  /** The one legal way to a shadow of {@code version}. */
  default Generating flip(long version, Storage format) {
    throw new IllegalStateException(
        "cannot flip to generating with adapter version "
            + version
            + " while "
            + describe()
            + ": release the shadow first");
  }

  /** The one legal way back. */
  default Training release() {
    throw new IllegalStateException(
        "cannot return to training while " + describe() + ": there is no shadow to release");
  }

  /** Checks that the weights of a version can be sampled from. */
  default void requireGenerating(long version) {
    throw new IllegalStateException(
        "cannot generate with adapter version "
            + version
            + " while "
            + describe()
            + ": flip to that version first");
  }

  /** The parameters may change; there is no shadow. */
  record Training() implements EngineMode {
    @Override
    public String describe() {
      return "training";
    }

    @Override
    public Generating flip(long version, Storage format) {
      return new Generating(version, format);
    }
  }

  /** A shadow of one version's weights is held, and the parameters must not change. */
  record Generating(long version, Storage format) implements EngineMode {
    @Override
    public String describe() {
      return "generating with adapter version " + version + " (" + format + ")";
    }

    @Override
    public Training release() {
      return new Training();
    }

    @Override
    public void requireGenerating(long wanted) {
      if (wanted != version) {
        EngineMode.super.requireGenerating(wanted);
      }
    }
  }
}
