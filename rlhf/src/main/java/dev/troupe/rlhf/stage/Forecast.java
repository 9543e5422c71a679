package dev.troupe.rlhf.stage;

import dev.troupe.protocol.data.Prompt;
import dev.troupe.protocol.data.Sequence;
import dev.troupe.rlhf.recipe.TrainingData;
import java.util.List;
import java.util.Map;
import java.util.OptionalInt;
import java.util.OptionalLong;

/**
 * What a stage comes to, found by reading its data and training nothing.
 *
 * @param what its samples are: texts, pairs, prompts
 * @param samples to train on, those held out and dropped not among them
 * @param heldOut to measure on; absent where it has nothing to hold out
 * @param dropped samples by reason
 * @param steps of its optimiser, or rounds
 * @param samplesPerStep but for a last, smaller one
 * @param tokens trained, or generated; absent where the tokenizer is yet to be made
 * @param generated whether {@code tokens} are the most that are generated
 * @param longest tokens of a sequence; absent as above
 */
public record Forecast(
    String what,
    int samples,
    OptionalInt heldOut,
    Map<String, Long> dropped,
    int steps,
    int samplesPerStep,
    OptionalLong tokens,
    boolean generated,
    OptionalInt longest) {
  public Forecast {
    dropped = Map.copyOf(dropped);
  }

  /** Of samples that are gone through {@code epochs} times. */
  public static Forecast trained(
      String what,
      TrainingData<?> data,
      List<Sequence> sequences,
      int epochs,
      int steps,
      int samplesPerStep) {
    return new Forecast(
        what,
        data.train().size(),
        OptionalInt.of(data.heldOut().size()),
        data.dropped(),
        steps,
        samplesPerStep,
        OptionalLong.of(
            epochs * sequences.stream().mapToLong(sequence -> sequence.tokens().size()).sum()),
        false,
        OptionalInt.of(
            sequences.stream().mapToInt(sequence -> sequence.tokens().size()).max().orElse(0)));
  }

  /**
   * Of rounds that answer prompts.
   *
   * @param answersPerRound of at most {@code newTokens} each
   */
  public static Forecast answered(
      TrainingData<Prompt> data,
      int rounds,
      int promptsPerRound,
      int answersPerRound,
      int newTokens) {
    return answered(data, rounds, promptsPerRound, answersPerRound, newTokens, 0);
  }

  /**
   * The same in an environment.
   *
   * @param readTokens most that an answer has beside those generated
   */
  public static Forecast answered(
      TrainingData<Prompt> data,
      int rounds,
      int promptsPerRound,
      int answersPerRound,
      int newTokens,
      int readTokens) {
    int longestPrompt =
        data.train().stream().mapToInt(prompt -> prompt.tokens().size()).max().orElse(0);
    return new Forecast(
        "prompts",
        data.train().size(),
        OptionalInt.of(data.heldOut().size()),
        data.dropped(),
        rounds,
        promptsPerRound,
        OptionalLong.of((long) rounds * answersPerRound * newTokens),
        true,
        OptionalInt.of(longestPrompt + newTokens + readTokens));
  }

  /** Of records alone, where the tokenizer is yet to be made. */
  public static Forecast counted(
      String what, int samples, int heldOut, int steps, int samplesPerStep) {
    return new Forecast(
        what,
        samples,
        OptionalInt.of(heldOut),
        Map.of(),
        steps,
        samplesPerStep,
        OptionalLong.empty(),
        false,
        OptionalInt.empty());
  }
}
