package dev.troupe.rlhf.recipe;

import dev.troupe.protocol.data.BatchTotals;
import dev.troupe.protocol.data.Example;
import dev.troupe.protocol.data.Head;
import dev.troupe.protocol.data.LossGradient;
import dev.troupe.protocol.data.Objective;
import dev.troupe.protocol.data.RoleSpec;
import dev.troupe.protocol.data.Sequence;
import dev.troupe.protocol.data.TokenOutputs;
import dev.troupe.protocol.data.UpdateResult;
import dev.troupe.rlhf.data.Batches;
import dev.troupe.rlhf.loss.Averaging;
import dev.troupe.rlhf.loss.RankedPair;
import dev.troupe.rlhf.loss.RewardObjective;
import dev.troupe.rlhf.loss.ScoreObjective;
import dev.troupe.rlhf.loss.ScoredExample;
import dev.troupe.rlhf.port.Role;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import java.util.function.BiFunction;
import java.util.function.ToIntFunction;

/**
 * Reward modelling: learn to score the chosen reply above the rejected one (Ouyang et al. 2022,
 * step 2), to say a reply's score, or to say which of its steps are right. Leaves out scores with
 * more than one dimension and rankings of more than two.
 *
 * @param <E> what it learns from
 */
public final class RewardModelRecipe<E extends Example> implements Recipe {
  private static final String REWARD = "reward";

  private final RewardModelConfig config;
  private final ModelStart start;
  private final TrainingData<E> data;
  private final Kind<E> kind;

  private RewardModelRecipe(
      RewardModelConfig config, ModelStart start, TrainingData<E> data, Kind<E> kind) {
    this.config = config;
    this.start = start;
    this.data = data;
    this.kind = kind;
  }

  /**
   * What is particular to what it learns from.
   *
   * @param weight of an example within a mean
   * @param scores that the model gives it
   */
  private record Kind<E extends Example>(
      Objective<E> objective,
      ToIntFunction<E> weight,
      BiFunction<E, List<TokenOutputs>, float[]> scores) {}

  /** From pairs, whose reads must fit the loss of {@code config}. */
  public static RewardModelRecipe<RankedPair> ofPairs(
      RewardModelConfig config, ModelStart start, TrainingData<RankedPair> data) {
    RewardObjective.Kind loss =
        config.loss() == RewardModelConfig.Loss.TOKEN_WISE
            ? RewardObjective.Kind.TOKEN_WISE
            : RewardObjective.Kind.LAST_TOKEN;
    return new RewardModelRecipe<>(
        config,
        start,
        data,
        new Kind<>(
            new RewardObjective(loss, config.centerCoefficient()),
            pair -> 1,
            (pair, outputs) ->
                new float[] {
                  outputs.get(0).values().get(pair.chosenScoreAt()),
                  outputs.get(1).values().get(pair.rejectedScoreAt())
                }));
  }

  /** From scores of answers, or labels of their steps, each of which weighs the same. */
  public static RewardModelRecipe<ScoredExample> ofScores(
      RewardModelConfig config, ModelStart start, TrainingData<ScoredExample> data) {
    ScoreObjective.Kind loss =
        config.loss() == RewardModelConfig.Loss.STEPS
            ? ScoreObjective.Kind.LABEL
            : ScoreObjective.Kind.REGRESSION;
    return new RewardModelRecipe<>(
        config,
        start,
        data,
        new Kind<>(
            new ScoreObjective(loss, Averaging.GLOBAL_TOKEN),
            answer -> answer.targets().size(),
            (answer, outputs) -> outputs.get(0).values().values()));
  }

  /**
   * What came out.
   *
   * @param finalLoss of the last step, per pair, score or label; absent before the first
   * @param before on what is held out
   * @param after likewise; absent when the stage did not come to its end
   * @param best the state that is the result, where the best one was looked for
   */
  public record Result(
      long steps,
      Optional<Double> finalLoss,
      HeldOut before,
      Optional<HeldOut> after,
      long skippedUpdates,
      Account account,
      Optional<Best> best,
      boolean stoppedEarly,
      boolean cancelled,
      Optional<String> failure)
      implements StageResult {}

  /**
   * The reward model on what is held out.
   *
   * @param loss that training minimises
   * @param accuracy share of pairs whose chosen reply scores higher, ties counted half; of steps on
   *     their label's side of 0; absent of scores, and when no two scores could be compared
   * @param margin mean of chosen less rejected score; absent without pairs
   * @param scoreError mean of how far off a score is; absent of pairs
   * @param meanScore of all scores that it gave
   * @param scoreDeviation standard deviation of these
   */
  public record HeldOut(
      double loss,
      Optional<Proportion> accuracy,
      Optional<Double> margin,
      Optional<Double> scoreError,
      double meanScore,
      double scoreDeviation) {
    private Map<String, Double> metrics() {
      Map<String, Double> metrics = new TreeMap<>();
      metrics.put("heldOutLoss", loss);
      margin.ifPresent(found -> metrics.put("heldOutMargin", found));
      scoreError.ifPresent(found -> metrics.put("heldOutScoreError", found));
      accuracy.ifPresent(found -> metrics.put("heldOutAccuracy", found.share()));
      return metrics;
    }
  }

  /** What a resume needs beside the role's own state; the batch follows from seed and step. */
  public record State(Progress progress, Optional<Double> loss, HeldOut before) {}

  @Override
  public int totalSteps() {
    return config.totalSteps(data.train().size());
  }

  /** Trains and saves the reward model. */
  @Override
  public Result run(StageContext context) {
    int totalSteps = totalSteps();
    Batches<E> batches =
        new Batches<>(
            data.train(),
            config.batchSize(),
            Batches.Last.SHORT,
            Seeds.derive(context.seed(), Seeds.Purpose.ORDER, 0));
    Role reward = Await.on(context.open(rewardSpec(context.seed(), totalSteps)));
    try {
      // 1. Take up an earlier run, or measure where this one starts.
      Steps steps =
          new Steps(context, totalSteps, config.evaluateEvery(), config.best(), List.of(reward));
      State state =
          steps
              .resumed(State.class)
              .orElseGet(
                  () ->
                      new State(Progress.begin(data.dropped()), Optional.empty(), heldOut(reward)));

      while (steps.goesOn(state.progress())) {
        // 2. One batch, one optimiser step.
        Phases phases = new Phases();
        long step = state.progress().step() + 1;
        List<E> batch = batches.batch(step - 1);
        UpdateResult update =
            phases.time("train", () -> Await.on(reward.update(kind.objective(), batch)));

        // 3. Enter it in the books; measure on what is held out now and then.
        Steps.Step done =
            steps.learned(
                state.progress(),
                REWARD,
                batch.size(),
                tokens(batch),
                update,
                phases,
                () -> heldOut(reward).metrics());
        state = new State(done.progress(), Optional.of(update.loss()), state.before());

        // 4. Step boundary: report, checkpoint, stop when asked.
        steps.done(done, state);
      }

      // 5. Save, and measure what was saved.
      Progress progress = state.progress();
      Steps.Ending ending = steps.end(progress);
      return new Result(
          progress.step(),
          state.loss(),
          state.before(),
          ending.done() ? Optional.of(heldOut(reward)) : Optional.empty(),
          progress.learning().skipped(),
          progress.account(),
          progress.best(),
          ending.early(),
          ending.cancelled(),
          ending.failure());
    } finally {
      Await.on(reward.close());
    }
  }

  private static long tokens(List<? extends Example> batch) {
    return batch.stream()
        .flatMap(example -> example.sequences().stream())
        .mapToLong(sequence -> sequence.tokens().size())
        .sum();
  }

  private RoleSpec rewardSpec(long seed, int totalSteps) {
    return new RoleSpec(
        REWARD,
        start.model(),
        start.adapter(),
        config.tuning().tuning(),
        Head.VALUE,
        Optional.of(config.optimizer().settings(totalSteps)),
        1,
        Optional.empty(),
        Seeds.derive(seed, Seeds.Purpose.REWARD, 0));
  }

  /** Each example by itself, weighed as training weighs it. */
  private HeldOut heldOut(Role reward) {
    List<Sequence> sequences =
        data.heldOut().stream().flatMap(example -> example.sequences().stream()).toList();
    List<TokenOutputs> outputs = Await.on(reward.evaluate(sequences, kind.objective().needs()));
    List<Double> scores = new ArrayList<>();
    Sums sums = new Sums();
    double compared = 0;
    double won = 0;
    int from = 0;
    for (E example : data.heldOut()) {
      List<TokenOutputs> own = outputs.subList(from, from + example.sequences().size());
      from += own.size();
      LossGradient one =
          kind.objective()
              .evaluate(List.of(example), List.of(own), BatchTotals.of(List.of(example)));
      int weight = kind.weight().applyAsInt(example);
      sums.add("loss", one.loss(), weight);
      one.metrics().forEach((name, value) -> sums.add(name, value, weight));
      double accuracy = one.metrics().getOrDefault("accuracy", Double.NaN);
      if (!Double.isNaN(accuracy)) {
        compared += weight;
        won += accuracy * weight;
      }
      for (float score : kind.scores().apply(example, own)) {
        scores.add((double) score);
      }
    }
    double mean = scores.stream().mapToDouble(score -> score).sum() / scores.size();
    double squares = scores.stream().mapToDouble(score -> score * score).sum() / scores.size();
    return new HeldOut(
        sums.mean("loss").orElseThrow(),
        compared == 0 ? Optional.empty() : Optional.of(Proportion.of(won, Math.round(compared))),
        sums.mean("margin"),
        sums.mean("scoreError"),
        mean,
        Math.sqrt(Math.max(0, squares - mean * mean)));
  }

  /** Weighted means by name. */
  private static final class Sums {
    private final Map<String, Double> sums = new TreeMap<>();
    private final Map<String, Double> weights = new TreeMap<>();

    void add(String name, double value, double weight) {
      sums.merge(name, value * weight, Double::sum);
      weights.merge(name, weight, Double::sum);
    }

    Optional<Double> mean(String name) {
      return Optional.ofNullable(sums.get(name)).map(sum -> sum / weights.get(name));
    }
  }
}
