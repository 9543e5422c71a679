package dev.troupe.rlhf.recipe;

import dev.troupe.protocol.data.BatchTotals;
import dev.troupe.protocol.data.Head;
import dev.troupe.protocol.data.RoleSpec;
import dev.troupe.protocol.data.Sequence;
import dev.troupe.protocol.data.TokenOutputs;
import dev.troupe.protocol.data.UpdateResult;
import dev.troupe.rlhf.data.Batches;
import dev.troupe.rlhf.loss.RankedPair;
import dev.troupe.rlhf.loss.RewardObjective;
import dev.troupe.rlhf.loss.Wins;
import dev.troupe.rlhf.port.Role;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;

/**
 * Reward modelling: learn to score the chosen reply above the rejected one (Ouyang et al. 2022,
 * step 2). Leaves out scores with more than one dimension and rankings of more than two.
 */
public final class RewardModelRecipe implements Recipe {
  private static final String REWARD = "reward";

  private final RewardModelConfig config;
  private final ModelStart start;
  private final TrainingData<RankedPair> data;

  /** The pairs' reads must fit the loss of {@code config}. */
  public RewardModelRecipe(
      RewardModelConfig config, ModelStart start, TrainingData<RankedPair> data) {
    this.config = config;
    this.start = start;
    this.data = data;
  }

  /**
   * What came out.
   *
   * @param finalLoss of the last step, per pair; absent before the first
   * @param before on the held-out pairs
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
   * The reward model on held-out pairs.
   *
   * @param loss that training minimises
   * @param accuracy share of pairs whose chosen reply scores higher, ties counted half; absent when
   *     no two scores could be compared
   * @param margin mean of chosen less rejected score
   * @param meanScore over both sides
   * @param scoreDeviation standard deviation over both sides
   */
  public record HeldOut(
      double loss,
      Optional<Proportion> accuracy,
      double margin,
      double meanScore,
      double scoreDeviation) {
    private Map<String, Double> metrics() {
      Map<String, Double> metrics = new TreeMap<>();
      metrics.put("heldOutLoss", loss);
      metrics.put("heldOutMargin", margin);
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
    RewardObjective objective = new RewardObjective(config.loss(), config.centerCoefficient());
    Batches<RankedPair> batches =
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
                      new State(
                          Progress.begin(data.dropped()),
                          Optional.empty(),
                          heldOut(reward, objective)));

      while (steps.goesOn(state.progress())) {
        // 2. One batch of pairs, one optimiser step.
        Phases phases = new Phases();
        long step = state.progress().step() + 1;
        List<RankedPair> batch = batches.batch(step - 1);
        UpdateResult update = phases.time("train", () -> Await.on(reward.update(objective, batch)));

        // 3. Enter it in the books; measure on the held-out pairs now and then.
        Steps.Step done =
            steps.learned(
                state.progress(),
                REWARD,
                batch.size(),
                tokens(batch),
                update,
                phases,
                () -> heldOut(reward, objective).metrics());
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
          ending.done() ? Optional.of(heldOut(reward, objective)) : Optional.empty(),
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

  private static long tokens(List<RankedPair> batch) {
    return batch.stream()
        .mapToLong(pair -> pair.chosen().tokens().size() + pair.rejected().tokens().size())
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

  private HeldOut heldOut(Role reward, RewardObjective objective) {
    List<RankedPair> pairs = data.heldOut();
    List<Sequence> sequences = pairs.stream().flatMap(p -> p.sequences().stream()).toList();
    List<TokenOutputs> outputs = Await.on(reward.evaluate(sequences, objective.needs()));
    List<List<TokenOutputs>> perPair = new ArrayList<>();
    List<Double> wins = new ArrayList<>();
    double margin = 0;
    double sum = 0;
    double squares = 0;
    for (int i = 0; i < pairs.size(); i++) {
      RankedPair pair = pairs.get(i);
      perPair.add(outputs.subList(2 * i, 2 * i + 2));
      double chosen = outputs.get(2 * i).values().get(pair.chosenScoreAt());
      double rejected = outputs.get(2 * i + 1).values().get(pair.rejectedScoreAt());
      wins.add(Wins.of(chosen, rejected));
      margin += (chosen - rejected) / pairs.size();
      sum += chosen + rejected;
      squares += chosen * chosen + rejected * rejected;
    }
    double scores = 2.0 * pairs.size();
    double mean = sum / scores;
    long reads = sequences.stream().mapToLong(sequence -> sequence.reads().size()).sum();
    return new HeldOut(
        objective.evaluate(pairs, perPair, new BatchTotals(pairs.size(), reads)).loss(),
        Proportion.ofWins(wins),
        margin,
        mean,
        Math.sqrt(Math.max(0, squares / scores - mean * mean)));
  }
}
