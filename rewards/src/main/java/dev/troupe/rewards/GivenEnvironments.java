package dev.troupe.rewards;

import dev.troupe.rewards.environment.CheckedTools;
import dev.troupe.rewards.environment.OutsideEnvironments;
import dev.troupe.rlhf.environment.EnvironmentConfig;
import dev.troupe.rlhf.environment.Environments;
import dev.troupe.rlhf.port.EnvironmentException;
import dev.troupe.rlhf.port.EnvironmentFactory;
import java.util.List;

/**
 * Finds the user's own environments, and has others made.
 *
 * @param given factories beside those that {@link java.util.ServiceLoader} finds
 * @param others makes all other kinds
 */
public record GivenEnvironments(List<EnvironmentFactory> given, Environments others)
    implements Environments {
  public GivenEnvironments {
    given = List.copyOf(given);
  }

  /**
   * Environments of every kind, whose tools' calls are checked.
   *
   * @param given as above
   */
  public static Environments all(List<EnvironmentFactory> given) {
    return CheckedTools.all(new GivenEnvironments(given, new OutsideEnvironments()));
  }

  @Override
  public EnvironmentFactory make(String name, EnvironmentConfig config) {
    if (config instanceof EnvironmentConfig.JavaEnvironment java) {
      return new Services<>(
              EnvironmentFactory.class,
              "environment",
              EnvironmentFactory::name,
              EnvironmentException::new)
          .named(name, java.name(), given);
    }
    return others.make(name, config);
  }

  @Override
  public boolean given(EnvironmentConfig config) {
    return config instanceof EnvironmentConfig.JavaEnvironment java
        ? given.stream().anyMatch(factory -> factory.name().equals(java.name()))
        : others.given(config);
  }
}
