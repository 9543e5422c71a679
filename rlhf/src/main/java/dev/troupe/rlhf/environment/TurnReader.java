package dev.troupe.rlhf.environment;

import dev.troupe.protocol.data.TokenIds;
import dev.troupe.rlhf.port.Environment;

/** Makes of a turn's tokens what it says and which tools it calls. */
@FunctionalInterface
public interface TurnReader {
  /**
   * A turn taken apart.
   *
   * @param said for people and rewards: its thought and its text, without its calls
   * @param malformed beginnings of calls that are none, what was written is in the text; and calls
   *     that the template could not write
   */
  record Turn(Environment.Action action, String said, int malformed) {}

  /**
   * What the policy does.
   *
   * @param history what it read before
   * @param turn as it was sampled, its end token included when there is one
   */
  Turn read(TokenIds history, TokenIds turn);
}
