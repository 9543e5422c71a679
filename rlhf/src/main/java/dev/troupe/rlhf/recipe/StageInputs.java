package dev.troupe.rlhf.recipe;

import dev.troupe.protocol.data.Prompt;
import dev.troupe.rlhf.data.Counted;
import dev.troupe.rlhf.data.DataConfig;
import dev.troupe.rlhf.data.DataException;
import dev.troupe.rlhf.data.DataRecord;
import dev.troupe.rlhf.data.JudgedAnswer;
import dev.troupe.rlhf.data.LengthReport;
import dev.troupe.rlhf.data.Lengths;
import dev.troupe.rlhf.data.Reading;
import dev.troupe.rlhf.data.StageData;
import dev.troupe.rlhf.data.TokenPair;
import dev.troupe.rlhf.data.Tokenization;
import dev.troupe.rlhf.data.Tokenized;
import dev.troupe.rlhf.data.Trained;
import dev.troupe.rlhf.environment.EnvironmentConfig;
import dev.troupe.rlhf.environment.Environments;
import dev.troupe.rlhf.environment.EpisodeSetup;
import dev.troupe.rlhf.environment.EpisodesConfig;
import dev.troupe.rlhf.loss.ScoredExample;
import dev.troupe.rlhf.loss.SftExample;
import dev.troupe.rlhf.port.Text;
import dev.troupe.rlhf.reward.RewardConfig;
import dev.troupe.rlhf.reward.Rewards;
import dev.troupe.rlhf.reward.Scorers;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import java.util.stream.Collectors;

/** From the user's files to what each recipe takes: read, split, tokenize, hold out. */
public final class StageInputs {
  private final DataConfig data;
  private final Text text;
  private final Tokenization tokenization;
  private final long seed;
  private final Reading reading;
  private final Scorers scorers;
  private final Environments environments;
  private final Map<String, EpisodeSetup> setups = new HashMap<>();
  private final List<String> reports = new ArrayList<>();

  /**
   * Reads nothing yet.
   *
   * @param seed of splits, blends and what is held out
   */
  public StageInputs(DataConfig data, Text text, long seed) {
    this(data, text, seed, Reading.unwatched());
  }

  /**
   * Reads nothing yet.
   *
   * @param seed of splits, blends and what is held out
   * @param reading hears how far it is, and may end it
   */
  public StageInputs(DataConfig data, Text text, long seed, Reading reading) {
    this(data, text, seed, reading, Scorers.NONE);
  }

  /**
   * Reads nothing yet.
   *
   * @param seed of splits, blends and what is held out
   * @param reading hears how far it is, and may end it
   * @param scorers makes rewards that reach outside
   */
  public StageInputs(DataConfig data, Text text, long seed, Reading reading, Scorers scorers) {
    this(data, text, seed, reading, scorers, Environments.NONE);
  }

  /**
   * Reads nothing yet.
   *
   * @param seed of splits, blends and what is held out
   * @param reading hears how far it is, and may end it
   * @param scorers makes rewards that reach outside
   * @param environments makes environments that do
   */
  public StageInputs(
      DataConfig data,
      Text text,
      long seed,
      Reading reading,
      Scorers scorers,
      Environments environments) {
    this.scorers = scorers;
    this.environments = environments;
    this.data = data;
    this.text = text;
    this.tokenization = Tokenization.of(text, data, reading);
    this.seed = seed;
    this.reading = reading;
  }

  /**
   * Texts to imitate.
   *
   * @param section of the configuration, which errors name, as in all that follow
   */
  public TrainingData<SftExample> texts(String section, Trained trainOn, int heldOut) {
    Tokenized<SftExample> all =
        tokenization.of(section, "data.sft").sft(StageData.sft(data, seed, reading), trainOn);
    return split(section + ".held-out", "texts", all, heldOut);
  }

  /** Pairs of a better and a worse answer. */
  public TrainingData<TokenPair> pairs(String section, int heldOut) {
    Tokenized<TokenPair> all =
        tokenization
            .of(section, "data.preferences")
            .pairs(StageData.preferences(data, seed, reading));
    return split(section + ".held-out", "pairs", all, heldOut);
  }

  /** The same for a stage that has no use for margins, of which it tells. */
  public TrainingData<TokenPair> pairsWithoutMargin(String section, int heldOut) {
    TrainingData<TokenPair> pairs = pairs(section, heldOut);
    long margins = pairs.train().stream().filter(pair -> pair.margin() != 0).count();
    if (margins > 0) {
      report(
          "left unused: the margin of " + margins + " pairs, which " + section + " does not read");
    }
    return pairs;
  }

  /** Answers with a score each, of data.judged. */
  public TrainingData<ScoredExample> scored(String section, int heldOut) {
    return split(
        section + ".held-out",
        "answers",
        tokenization.of(section, "data.judged").scored(StageData.scored(data, seed, reading)),
        heldOut);
  }

  /** Answers in steps with a label each, of data.judged. */
  public TrainingData<ScoredExample> steps(String section, String separator, int heldOut) {
    return split(
        section + ".held-out",
        "answers",
        tokenization
            .of(section, "data.judged")
            .steps(StageData.scored(data, seed, reading), separator),
        heldOut);
  }

  /**
   * Answers found good or bad: of data.judged, or both of each pair of the preferences without it.
   *
   * @param heldOut answers; of pairs half as many, rounded up, so that both go together
   * @throws DataException when those to train on are all good or all bad
   */
  public TrainingData<JudgedAnswer> judged(String section, int heldOut) {
    TrainingData<JudgedAnswer> answers =
        data.judged().isEmpty()
            ? ofPairs(pairsWithoutMargin(section, (heldOut + 1) / 2))
            : split(
                section + ".held-out",
                "answers",
                tokenization
                    .of(section, "data.judged")
                    .judged(StageData.labelled(data, seed, reading)),
                heldOut);
    long good = answers.train().stream().filter(JudgedAnswer::good).count();
    if (good == 0 || good == answers.train().size()) {
      throw new DataException(
          "data.judged: all "
              + answers.train().size()
              + " answers to train on are "
              + (good == 0 ? "bad" : "good")
              + ", and KTO learns from both kinds: give answers whose label is "
              + (good == 0)
              + " too, or learn from good ones alone by SFT");
    }
    return answers;
  }

  private static TrainingData<JudgedAnswer> ofPairs(TrainingData<TokenPair> pairs) {
    return new TrainingData<>(
        pairs.train().stream().flatMap(pair -> pair.judged().stream()).toList(),
        pairs.heldOut().stream().flatMap(pair -> pair.judged().stream()).toList(),
        pairs.dropped());
  }

  /** Longest sequence, prompt and answer. */
  public int maxTokens() {
    return Lengths.of(data, text).maxTokens();
  }

  /** Something that a person should know of the data. */
  public void report(String line) {
    if (!reports.contains(line)) {
      reports.add(line);
    }
  }

  /**
   * Prompts to answer in rounds, with room for the answers.
   *
   * @param perRound different ones
   * @param generation of the section's {@code generation}
   * @param evaluation of the section's {@code evaluation}
   */
  public TrainingData<Prompt> prompts(
      String section, int perRound, GenerationConfig generation, EvaluationConfig evaluation) {
    int answer = generation.maxNewTokens();
    int measured = evaluation.generation().maxNewTokens();
    Lengths.checkAnswer(section + ".generation.max-new-tokens", answer, data, text);
    Lengths.checkAnswer(section + ".evaluation.generation.max-new-tokens", measured, data, text);
    Tokenized<Prompt> all =
        tokenization
            .of(section, "data.prompts")
            .prompts(StageData.prompts(data, seed, reading), Math.max(answer, measured));
    int heldOut = evaluation.heldOut();
    checkHeldOut(section + ".evaluation.held-out", "prompts", all.examples(), heldOut);
    checkRound(section, perRound, all.examples().size() - heldOut, heldOut);
    return split(section + ".evaluation.held-out", "prompts", all, heldOut);
  }

  /** Rewards that a section of the configuration names. */
  public Rewards rewards(String section, Map<String, RewardConfig> configs) {
    return new Rewards(section, configs, scorers);
  }

  /**
   * What episodes are played in.
   *
   * @param section of the configuration, which errors name
   * @throws dev.troupe.rlhf.port.EnvironmentException when it is not there, or the model's chat
   *     template cannot write it
   */
  public EpisodeSetup episodes(String section, EnvironmentConfig config, EpisodesConfig bounds) {
    return setups.computeIfAbsent(
        section, it -> new EpisodeSetup(it, config, bounds, environments, text));
  }

  /**
   * Prompts whose answers are scored, with what the data say is right. One that a reward cannot
   * score, having no answer to compare with, is left out and counted.
   *
   * @param section of the configuration, which errors name
   * @param rewards all that score them
   * @param episodes what they are answered in; absent for answers given at once
   * @param perRound different ones
   * @param generation of the section's {@code generation}
   * @param evaluation of the section's {@code evaluation}
   * @throws DataException when none can be scored, or too few are left to train on
   */
  public TrainingData<Prompt> tasks(
      String section,
      List<Rewards> rewards,
      Optional<EpisodeSetup> episodes,
      int perRound,
      GenerationConfig generation,
      EvaluationConfig evaluation) {
    int answer = generation.maxNewTokens();
    int measured = evaluation.generation().maxNewTokens();
    Lengths.checkAnswer(section + ".generation.max-new-tokens", answer, data, text);
    Lengths.checkAnswer(section + ".evaluation.generation.max-new-tokens", measured, data, text);
    int read = episodes.map(it -> it.bounds().maxObservationTokens()).orElse(0);
    if (read > 0) {
      Lengths.checkAnswer(
          section + ".generation.max-new-tokens + episodes.max-observation-tokens",
          Math.max(answer, measured) + read,
          data,
          text);
    }
    Tokenization tokenized = tokenization.of(section, "data.prompts");
    Tokenized<Prompt> all =
        episodes
            .map(it -> tokenized.offering(it.tools(), it::refusal))
            .orElse(tokenized)
            .prompts(StageData.tasks(data, seed, reading), Math.max(answer, measured) + read);
    List<Prompt> scorable = all.examples();
    for (Rewards each : rewards) {
      scorable = each.scorable(scorable);
    }
    Map<String, Long> leftOut = leftOut("prompts", all);
    int unanswered = all.examples().size() - scorable.size();
    if (unanswered > 0) {
      leftOut.put("no answer to compare with", (long) unanswered);
      reports.add(
          unanswered
              + " of "
              + all.examples().size()
              + " prompts left out: the data have no answer for them, with which "
              + rewards.stream()
                  .flatMap(each -> each.comparing().stream())
                  .collect(Collectors.joining(", "))
              + " compares");
    }
    int heldOut = evaluation.heldOut();
    checkHeldOut(section + ".evaluation.held-out", "prompts", scorable, heldOut);
    checkRound(section, perRound, scorable.size() - heldOut, heldOut);
    return TrainingData.split("prompts", scorable, heldOut, seed, leftOut);
  }

  /** Texts that are mixed into other training. */
  public List<SftExample> pretraining() {
    Tokenized<SftExample> all =
        tokenization
            .of("ppo", "data.pretraining")
            .sft(StageData.pretraining(data, seed, reading), Trained.ALL);
    reports.add(all.report().describe("texts of pre-training"));
    reports.addAll(all.notices());
    return all.examples();
  }

  /**
   * Prompts to compare replies on, for a stage that learns from none: of data.prompts, or without
   * them of the preferences, or without those of data.judged.
   */
  public List<Prompt> comparisonPrompts(String section, EvaluationConfig evaluation) {
    List<? extends DataRecord> records = StageData.comparisons(data, seed, reading);
    int room = evaluation.generation().maxNewTokens();
    Lengths.checkAnswer(section + ".evaluation.generation.max-new-tokens", room, data, text);
    List<Prompt> prompts = tokenization.prompts(records, room).examples();
    checkHeldOut(section + ".evaluation.held-out", "prompts", prompts, evaluation.heldOut());
    return TrainingData.split("prompts", prompts, evaluation.heldOut(), seed, Map.of()).heldOut();
  }

  /** The token that ends a sequence. */
  public int endOfSequence() {
    return text.endOfSequence();
  }

  private <T> TrainingData<T> split(String key, String what, Tokenized<T> all, int heldOut) {
    checkHeldOut(key, what, all.examples(), heldOut);
    return TrainingData.split(what, all.examples(), heldOut, seed, leftOut(what, all));
  }

  private static void checkHeldOut(String key, String what, List<?> all, int count) {
    if (count >= all.size()) {
      throw new DataException(
          key
              + " is "
              + count
              + " and the data have "
              + Counted.of(all.size(), what)
              + " after the length policy; at least one must be left to train on: lower it or give"
              + " more data");
    }
  }

  private static void checkRound(String section, int perRound, int left, int heldOut) {
    if (perRound > left) {
      throw new DataException(
          section
              + ".prompts-per-iteration is "
              + perRound
              + " and the data have "
              + left
              + " prompts after the length policy and without those held out ("
              + section
              + ".evaluation.held-out is "
              + heldOut
              + "); a round takes different ones: lower one of the two or give more data");
    }
  }

  /**
   * What became of each stage's data so far, one line each, for a person: what was left out or cut,
   * and which fields nothing was made of.
   */
  public List<String> reports() {
    List<String> all = new ArrayList<>(reports);
    all.addAll(reading.notices());
    return all;
  }

  private Map<String, Long> leftOut(String what, Tokenized<?> all) {
    LengthReport report = all.report();
    reports.add(report.describe(what));
    reports.addAll(all.notices());
    Map<String, Long> counts = new TreeMap<>();
    report.leftOut().forEach((reason, count) -> counts.put(reason, (long) count));
    return counts;
  }
}
