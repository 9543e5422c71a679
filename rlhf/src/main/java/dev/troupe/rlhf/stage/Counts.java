package dev.troupe.rlhf.stage;

import dev.troupe.rlhf.data.DataConfig;
import dev.troupe.rlhf.data.DataException;
import dev.troupe.rlhf.data.Reading;
import dev.troupe.rlhf.data.StageData;
import dev.troupe.rlhf.recipe.EvaluationConfig;
import dev.troupe.rlhf.recipe.GenerationConfig;
import java.util.Optional;

/**
 * A stage's records, read and counted, where the tokenizer is yet to be made; {@link
 * dev.troupe.rlhf.recipe.StageInputs} is what the stage itself gets.
 */
public final class Counts {
  private final DataConfig data;
  private final long seed;
  private final Reading reading;
  private final Optional<NewModel> made;

  /**
   * @param made the model that the run will make, if it makes one
   */
  public Counts(DataConfig data, long seed, Reading reading, Optional<NewModel> made) {
    this.data = data;
    this.seed = seed;
    this.reading = reading;
    this.made = made;
  }

  /**
   * Texts to imitate, without those held out.
   *
   * @param section of the configuration, which errors name
   */
  public int texts(String section, int heldOut) {
    int texts = StageData.sft(data, seed, reading).size();
    return left(section + ".held-out", "texts", texts, heldOut);
  }

  /** Pairs of answers, without those held out. */
  public int pairs(String section, int heldOut) {
    int pairs = StageData.preferences(data, seed, reading).size();
    return left(section + ".held-out", "pairs", pairs, heldOut);
  }

  /** Answers found good or bad, without those held out; of each pair there are two. */
  public int judged(String section, int heldOut) {
    if (data.judged().isEmpty()) {
      return 2 * pairs(section, (heldOut + 1) / 2);
    }
    int answers = StageData.labelled(data, seed, reading).size();
    return left(section + ".held-out", "answers", answers, heldOut);
  }

  /** Answers with a score, or in steps, without those held out. */
  public int scored(String section, int heldOut) {
    int answers = StageData.scored(data, seed, reading).size();
    return left(section + ".held-out", "answers", answers, heldOut);
  }

  /** Prompts to answer, without those held out: enough of them for a round. */
  public int prompts(
      String section, int perRound, GenerationConfig generation, EvaluationConfig evaluation) {
    room(section + ".generation.max-new-tokens", generation.maxNewTokens());
    room(section + ".evaluation.generation.max-new-tokens", evaluation.generation().maxNewTokens());
    int prompts = StageData.prompts(data, seed, reading).size();
    int left = left(section + ".evaluation.held-out", "prompts", prompts, evaluation.heldOut());
    if (left < perRound) {
      throw new DataException(
          section
              + ".prompts-per-iteration is "
              + perRound
              + " and the data have "
              + left
              + " prompts without those held out; lower it or give more data");
    }
    return left;
  }

  /** Checks the prompts that a stage compares replies on, which learns from none. */
  public void comparisonPrompts(String section, EvaluationConfig evaluation) {
    room(section + ".evaluation.generation.max-new-tokens", evaluation.generation().maxNewTokens());
    int prompts = StageData.comparisons(data, seed, reading).size();
    left(section + ".evaluation.held-out", "prompts", prompts, evaluation.heldOut());
  }

  /** An answer must fit into the new model's context, whatever its tokenizer will be. */
  private void room(String key, int newTokens) {
    if (made.isEmpty()) {
      return;
    }
    int context = made.get().shape().contextLength();
    int most = data.maxTokens() == 0 ? context : data.maxTokens();
    if (newTokens >= most) {
      throw new DataException(
          key
              + " is "
              + newTokens
              + " and leaves no room for a prompt: "
              + (data.maxTokens() == 0
                  ? made.get().key() + ".context-length is " + context
                  : "data.max-tokens is " + most)
              + "; allowed: at most "
              + (most - 1));
    }
  }

  private static int left(String key, String what, int count, int heldOut) {
    if (heldOut >= count) {
      throw new DataException(
          key
              + " is "
              + heldOut
              + " and the data have "
              + count
              + " "
              + what
              + "; at least one must be left to train on: lower it or give more data");
    }
    return count - heldOut;
  }
}
