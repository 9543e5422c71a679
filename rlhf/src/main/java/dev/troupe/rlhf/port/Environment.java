package dev.troupe.rlhf.port;

import dev.troupe.protocol.data.ChatMessage;
import dev.troupe.protocol.data.Prompt;
import java.util.List;
import java.util.Map;
import java.util.OptionalDouble;
import org.jspecify.annotations.Nullable;

/**
 * The world of one episode: a game, a set of tools, a service. Begun once, stepped until it is done
 * or the episode's bounds are reached, then closed; one thread at a time uses it, and it may block.
 * What it throws ends this episode alone, which then has no score and is left out and counted, by
 * the reason of an {@link EpisodeException}; but an {@link EnvironmentException} ends the run.
 */
public interface Environment extends AutoCloseable {
  /**
   * Begins.
   *
   * @return what there is to see at first, put after the prompt; often nothing
   */
  Observation reset() throws Exception;

  /** Carries out what the policy said. */
  Observation step(Action action) throws Exception;

  /**
   * Judges an episode that its bounds ended, not the environment; called at most once, after the
   * last step and before the end. Its messages are read by nobody.
   *
   * @param unfinished what the policy had begun to say in a turn cut short, else empty
   * @return the reward still to be given, if any
   */
  default Observation cut(String unfinished) throws Exception {
    return Observation.none();
  }

  /** Ends it, whatever its state; called once. */
  @Override
  default void close() {}

  /**
   * What an episode is about.
   *
   * @param prompt with the data's answer and metadata
   * @param episode names it in the run
   * @param seed for the environment's own chance: that of all episodes of one prompt in one round,
   *     so that their answers are compared under equal luck
   */
  record Task(Prompt prompt, String episode, long seed) {}

  /**
   * One turn of the policy.
   *
   * @param text what it said, decoded, without special tokens and without the calls
   * @param calls tools it called, in order
   */
  record Action(String text, List<ToolCall> calls) {
    public Action {
      calls = List.copyOf(calls);
    }
  }

  /**
   * What comes back.
   *
   * @param messages turns for the policy to read: of role {@code tool} one per call and in the
   *     calls' order, or of role {@code user}; empty where it need not speak again
   * @param reward of this step, absent where none was given; an episode's is the sum of its steps'
   * @param done whether the episode is over
   * @param parts of the reward or other figures, by name, for the metrics; sums over the steps
   * @param failedCalls how many of the action's calls failed; the messages say how
   */
  record Observation(
      List<ChatMessage> messages,
      OptionalDouble reward,
      boolean done,
      Map<String, Double> parts,
      int failedCalls) {
    public Observation {
      messages = List.copyOf(messages);
      parts = Map.copyOf(parts);
    }

    /** No call failed. */
    public Observation(
        List<ChatMessage> messages,
        OptionalDouble reward,
        boolean done,
        Map<String, Double> parts) {
      this(messages, reward, done, parts, 0);
    }

    /** Nothing to see, nothing earned. */
    public static Observation none() {
      return new Observation(List.of(), OptionalDouble.empty(), false, Map.of());
    }
  }

  /**
   * A call of a tool, as the policy wrote it.
   *
   * @param id the policy's own name for it, or one given in its place
   * @param arguments as JSON has them
   */
  record ToolCall(String id, String name, Map<String, @Nullable Object> arguments) {}
}
