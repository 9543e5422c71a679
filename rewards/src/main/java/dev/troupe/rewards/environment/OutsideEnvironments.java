package dev.troupe.rewards.environment;

import dev.troupe.rlhf.environment.EnvironmentConfig;
import dev.troupe.rlhf.environment.Environments;
import dev.troupe.rlhf.port.EnvironmentFactory;
import java.util.function.UnaryOperator;
import org.jspecify.annotations.Nullable;

/**
 * Makes the clients of environments that are served elsewhere.
 *
 * @param variables the process's environment, for tokens
 */
public record OutsideEnvironments(UnaryOperator<@Nullable String> variables)
    implements Environments {
  /** With the process's environment. */
  public OutsideEnvironments() {
    this(System::getenv);
  }

  @Override
  public EnvironmentFactory make(String name, EnvironmentConfig config) {
    if (config instanceof EnvironmentConfig.OpenEnv openEnv) {
      return OpenEnvFactory.of(name, openEnv, variables);
    }
    if (config instanceof EnvironmentConfig.NemoGym nemoGym) {
      return NemoGymFactory.of(name, nemoGym, variables);
    }
    throw new IllegalArgumentException(name + ": " + config + " is no environment of a service");
  }
}
