package dev.troupe.rewards;

import dev.troupe.rlhf.port.RewardFunction;
import dev.troupe.rlhf.port.Scorer;
import dev.troupe.rlhf.port.ScorerException;
import dev.troupe.rlhf.reward.RewardConfig;
import dev.troupe.rlhf.reward.Scorers;
import java.time.Duration;
import java.util.List;

/**
 * Makes the scorers of this module.
 *
 * @param given functions beside those that {@link java.util.ServiceLoader} finds
 */
public record OutsideScorers(List<RewardFunction> given) implements Scorers {
  private static final Services<RewardFunction> FUNCTIONS =
      new Services<>(RewardFunction.class, "function", RewardFunction::name, ScorerException::new);

  /** Of one answer. */
  private static final Duration SCHEMA_LIMIT = Duration.ofSeconds(20);

  public OutsideScorers {
    given = List.copyOf(given);
  }

  @Override
  public Scorer make(String name, RewardConfig config) {
    if (config instanceof RewardConfig.Java java) {
      return new FunctionScorer(
          name,
          FUNCTIONS.named(name, java.function(), given),
          java.batch(),
          duration(java.timeLimitSeconds()));
    }
    if (config instanceof RewardConfig.JsonSchema json) {
      return new FunctionScorer(
          name, SchemaFunction.of(name, json.schema(), json.part()), 1, SCHEMA_LIMIT);
    }
    if (config instanceof RewardConfig.Http http) {
      return HttpScorer.of(name, http);
    }
    if (config instanceof RewardConfig.Code code) {
      return CodeScorer.of(name, code);
    }
    throw new IllegalArgumentException(name + ": " + config + " is no scorer of this module");
  }

  static Duration duration(double seconds) {
    return Duration.ofNanos((long) (seconds * 1e9));
  }
}
