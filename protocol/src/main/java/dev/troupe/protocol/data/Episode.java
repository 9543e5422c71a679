package dev.troupe.protocol.data;

import java.util.Map;
import java.util.Optional;
import java.util.OptionalDouble;

/**
 * What an answer has beside its tokens where it was given in several turns, in an environment.
 *
 * @param sampled positions in the response of the tokens that the policy sampled, rising; the
 *     others it read
 * @param turns of the policy
 * @param calls of tools that it made
 * @param failedCalls those among them that failed
 * @param transcript the whole response, decoded, without special tokens
 * @param reward the sum of the steps'; absent where no step had one
 * @param parts further figures of the environment's, by name, summed over the steps
 * @param end why it ended
 * @param failure of the environment or with it; then there is nothing to learn
 */
public record Episode(
    TokenIds sampled,
    int turns,
    int calls,
    int failedCalls,
    String transcript,
    OptionalDouble reward,
    Map<String, Double> parts,
    End end,
    Optional<Failure> failure) {
  /** Why an episode ended. */
  public enum End {
    /** The environment said so, or had nothing more to say. */
    DONE,
    /** The policy had its last turn, and the environment went on. */
    TURNS,
    /** The policy had no token left. */
    TOKENS,
    /** What was to be read was too long. */
    OBSERVATION,
    /** The environment failed. */
    FAILED
  }

  /**
   * What went wrong.
   *
   * @param reason a kind of failure, by which is counted
   * @param detail what happened this time, for a person; may be empty
   */
  public record Failure(String reason, String detail) {}

  public Episode {
    parts = Map.copyOf(parts);
    int previous = -1;
    for (int position : sampled.values()) {
      if (position <= previous) {
        throw new IllegalArgumentException(
            "sampled positions must rise strictly from 0, found " + sampled);
      }
      previous = position;
    }
  }

  /** Whether its bounds ended it, and not the environment. */
  public boolean cut() {
    return end == End.TURNS || end == End.TOKENS || end == End.OBSERVATION;
  }
}
