package dev.troupe.rlhf.reward;

import dev.troupe.rlhf.port.Scorer;
import dev.troupe.rlhf.port.ScorerException;

/** Makes the scorers that reach outside: functions, services, processes. */
@FunctionalInterface
public interface Scorers {
  /** There are none. */
  Scorers NONE =
      (name, config) -> {
        throw new ScorerException(
            name + " is " + config + ", which this program has no way to ask");
      };

  /**
   * One scorer.
   *
   * @param name the key of its configuration, for errors
   * @throws dev.troupe.rlhf.port.ScorerException when it cannot be had here, and why
   */
  Scorer make(String name, RewardConfig config);
}
