package dev.troupe.rlhf.environment;

import dev.troupe.rlhf.port.EnvironmentException;
import dev.troupe.rlhf.port.EnvironmentFactory;

/** Makes the environments that reach outside: services and the user's own. */
@FunctionalInterface
public interface Environments {
  /** There are none. */
  Environments NONE =
      (name, config) -> {
        throw new EnvironmentException(
            name + " is " + config + ", which this program has no way to ask");
      };

  /**
   * Makes what a run's episodes take place in, and asks a service whether it is there.
   *
   * @param name the key of its configuration, for errors
   * @throws EnvironmentException when it cannot be had here, and why
   */
  EnvironmentFactory make(String name, EnvironmentConfig config);

  /** Whether it makes the same factory each time, one that came with the run's request. */
  default boolean given(EnvironmentConfig config) {
    return false;
  }
}
