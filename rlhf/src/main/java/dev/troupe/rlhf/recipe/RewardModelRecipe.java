package dev.troupe.rlhf.recipe;

import dev.troupe.protocol.data.Floats;
import dev.troupe.protocol.data.Head;
import dev.troupe.protocol.data.Output;
import dev.troupe.protocol.data.RoleSpec;
import dev.troupe.protocol.data.Sequence;
import dev.troupe.protocol.data.TokenOutputs;
import dev.troupe.protocol.data.UpdateResult;
import dev.troupe.rlhf.data.Batches;
import dev.troupe.rlhf.loss.RankedPair;
import dev.troupe.rlhf.loss.RewardObjective;
import dev.troupe.rlhf.port.Checkpoints.Saved;
import dev.troupe.rlhf.port.Role;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
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
   * @param finalLoss of the last step, per pair
   * @param before and
   * @param after on the held-out pairs
   */
  public record Result(
      long steps,
      double finalLoss,
      HeldOut before,
      HeldOut after,
      long skippedUpdates,
      Account account,
      boolean cancelled)
      implements StageResult {}

  /**
   * The reward model on held-out pairs.
   *
   * @param accuracy share of pairs whose chosen reply scores higher
   * @param margin mean of chosen less rejected score
   * @param meanScore over both sides
   * @param scoreDeviation standard deviation over both sides
   */
  public record HeldOut(
      Proportion accuracy, double margin, double meanScore, double scoreDeviation) {}

  /** What a resume needs beside the role's own state; the batch follows from seed and step. */
  public record State(
      long step, double loss, HeldOut before, long skippedUpdates, Account account) {}

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
      Optional<Saved<State>> saved = context.checkpoints().latest(context.stage(), State.class);
      State state;
      if (saved.isPresent()) {
        Await.on(reward.restore(saved.get().directory() + "/" + REWARD));
        state = saved.get().state();
      } else {
        Ledger ledger = new Ledger(Account.EMPTY);
        ledger.droppedBefore(data.dropped());
        state = new State(0, 0, heldOut(reward), 0, ledger.account());
      }

      boolean cancelled = context.observer().cancelled();
      while (state.step() < totalSteps && !cancelled) {
        // 2. One batch of pairs, one optimiser step.
        Phases phases = new Phases();
        long step = state.step() + 1;
        List<RankedPair> batch = batches.batch(step - 1);
        UpdateResult update = phases.time("train", () -> Await.on(reward.update(objective, batch)));

        // 3. Enter it in the books.
        Ledger ledger = new Ledger(state.account());
        for (int i = 0; i < batch.size(); i++) {
          Samples.learned(ledger, step + "/" + i, update.applied());
        }
        if (!update.applied()) {
          context
              .observer()
              .notice(context.stage(), Samples.skipped(REWARD, step, update.gradientNorm()));
        }
        state =
            new State(
                step,
                update.loss(),
                state.before(),
                state.skippedUpdates() + (update.applied() ? 0 : 1),
                ledger.account());

        // 4. Report.
        long tokens =
            batch.stream()
                .mapToLong(p -> p.chosen().tokens().size() + p.rejected().tokens().size())
                .sum();
        Map<String, Double> metrics = new TreeMap<>(update.metrics());
        metrics.put("loss", update.loss());
        metrics.put("gradientNorm", update.gradientNorm());
        metrics.put("learningRate", update.learningRate());
        metrics.put("tokensPerSecond", tokens / Math.max(1e-9, phases.of("train")));
        context.observer().step(context.stage(), step, totalSteps, metrics, phases.seconds());

        // 5. Step boundary: checkpoint, stop when asked.
        cancelled = context.observer().cancelled();
        if (context.checkpoints().due(context.stage(), step, cancelled)) {
          String directory = context.checkpoints().begin(context.stage(), step);
          Await.on(reward.checkpoint(directory + "/" + REWARD));
          context.checkpoints().commit(context.stage(), step, state);
        }
      }

      // 6. Measure again and save.
      HeldOut after = heldOut(reward);
      if (!cancelled) {
        Await.on(reward.save(context.output()));
      }
      return new Result(
          state.step(),
          state.loss(),
          state.before(),
          after,
          state.skippedUpdates(),
          state.account(),
          cancelled);
    } finally {
      Await.on(reward.close());
    }
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

  private HeldOut heldOut(Role reward) {
    List<RankedPair> pairs = data.heldOut();
    List<Sequence> sequences = pairs.stream().flatMap(p -> p.sequences().stream()).toList();
    List<TokenOutputs> outputs = Await.on(reward.evaluate(sequences, Set.of(Output.VALUES)));
    double wins = 0;
    double margin = 0;
    double sum = 0;
    double squares = 0;
    for (int i = 0; i < pairs.size(); i++) {
      RankedPair pair = pairs.get(i);
      double chosen = at(outputs.get(2 * i).values(), pair.chosenScoreAt());
      double rejected = at(outputs.get(2 * i + 1).values(), pair.rejectedScoreAt());
      wins += chosen > rejected ? 1 : chosen == rejected ? 0.5 : 0;
      margin += (chosen - rejected) / pairs.size();
      sum += chosen + rejected;
      squares += chosen * chosen + rejected * rejected;
    }
    double scores = Math.max(1, 2.0 * pairs.size());
    double mean = sum / scores;
    return new HeldOut(
        Proportion.of(wins, pairs.size()),
        margin,
        mean,
        Math.sqrt(Math.max(0, squares / scores - mean * mean)));
  }

  private static double at(Floats values, int index) {
    return values.get(index);
  }
}
