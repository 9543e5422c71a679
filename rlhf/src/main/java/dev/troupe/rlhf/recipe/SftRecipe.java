package dev.troupe.rlhf.recipe;

import dev.troupe.protocol.data.Head;
import dev.troupe.protocol.data.Output;
import dev.troupe.protocol.data.RoleSpec;
import dev.troupe.protocol.data.Sequence;
import dev.troupe.protocol.data.TokenOutputs;
import dev.troupe.protocol.data.UpdateResult;
import dev.troupe.rlhf.data.Batches;
import dev.troupe.rlhf.loss.SftExample;
import dev.troupe.rlhf.loss.SftObjective;
import dev.troupe.rlhf.port.Checkpoints.Saved;
import dev.troupe.rlhf.port.Role;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;

/**
 * Supervised fine-tuning: imitate given texts (Ouyang et al. 2022, step 1). With every weight tuned
 * from random values and every token trained, it is pre-training. Leaves out packing of several
 * texts into one sequence.
 */
public final class SftRecipe implements Recipe {
  private static final String POLICY = "policy";

  private final SftConfig config;
  private final ModelStart start;
  private final TrainingData<SftExample> data;

  public SftRecipe(SftConfig config, ModelStart start, TrainingData<SftExample> data) {
    this.config = config;
    this.start = start;
    this.data = data;
  }

  /**
   * What came out.
   *
   * @param finalLoss of the last step, per token
   * @param heldOutLossBefore per token; both are 0 when nothing is held out
   * @param tokens trained tokens
   * @param skippedUpdates steps whose gradient was not finite
   */
  public record Result(
      long steps,
      double finalLoss,
      double heldOutLossBefore,
      double heldOutLossAfter,
      long tokens,
      long skippedUpdates,
      Account account,
      boolean cancelled)
      implements StageResult {}

  /** What a resume needs beside the role's own state; the batch follows from seed and step. */
  public record State(
      long step,
      double loss,
      double heldOutLossBefore,
      long tokens,
      long skippedUpdates,
      Account account) {}

  @Override
  public int totalSteps() {
    return config.totalSteps(data.train().size());
  }

  /** Trains and saves the policy. */
  @Override
  public Result run(StageContext context) {
    int totalSteps = totalSteps();
    SftObjective objective = new SftObjective(config.averaging());
    Batches<SftExample> batches =
        new Batches<>(
            data.train(),
            config.batchSize(),
            Batches.Last.SHORT,
            Seeds.derive(context.seed(), Seeds.Purpose.ORDER, 0));
    Role policy = Await.on(context.open(policySpec(context.seed(), totalSteps)));
    try {
      // 1. Take up an earlier run, or measure where this one starts.
      Optional<Saved<State>> saved = context.checkpoints().latest(context.stage(), State.class);
      State state;
      if (saved.isPresent()) {
        Await.on(policy.restore(saved.get().directory() + "/" + POLICY));
        state = saved.get().state();
      } else {
        Ledger ledger = new Ledger(Account.EMPTY);
        ledger.droppedBefore(data.dropped());
        state = new State(0, 0, heldOutLoss(policy), 0, 0, ledger.account());
      }

      boolean cancelled = context.observer().cancelled();
      while (state.step() < totalSteps && !cancelled) {
        // 2. One batch, one optimiser step.
        Phases phases = new Phases();
        long step = state.step() + 1;
        List<SftExample> batch = batches.batch(step - 1);
        UpdateResult update = phases.time("train", () -> Await.on(policy.update(objective, batch)));

        // 3. Enter it in the books.
        Ledger ledger = new Ledger(state.account());
        for (int i = 0; i < batch.size(); i++) {
          Samples.learned(ledger, step + "/" + i, update.applied());
        }
        if (!update.applied()) {
          context
              .observer()
              .notice(context.stage(), Samples.skipped(POLICY, step, update.gradientNorm()));
        }
        long tokens = batch.stream().mapToLong(e -> e.sequence().reads().size()).sum();
        state =
            new State(
                step,
                update.loss(),
                state.heldOutLossBefore(),
                state.tokens() + (update.applied() ? tokens : 0),
                state.skippedUpdates() + (update.applied() ? 0 : 1),
                ledger.account());

        // 4. Report, and measure the held-out loss now and then.
        Map<String, Double> metrics = new TreeMap<>(update.metrics());
        metrics.put("loss", update.loss());
        metrics.put("gradientNorm", update.gradientNorm());
        metrics.put("learningRate", update.learningRate());
        metrics.put("tokensPerSecond", tokens / Math.max(1e-9, phases.of("train")));
        if (step % config.evaluateEvery() == 0 && step < totalSteps && !data.heldOut().isEmpty()) {
          metrics.put("heldOutLoss", phases.time("score", () -> heldOutLoss(policy)));
        }
        context.observer().step(context.stage(), step, totalSteps, metrics, phases.seconds());

        // 5. Step boundary: checkpoint, stop when asked.
        cancelled = context.observer().cancelled();
        if (context.checkpoints().due(context.stage(), step, cancelled)) {
          String directory = context.checkpoints().begin(context.stage(), step);
          Await.on(policy.checkpoint(directory + "/" + POLICY));
          context.checkpoints().commit(context.stage(), step, state);
        }
      }

      // 6. Measure again and save.
      double after = heldOutLoss(policy);
      if (!cancelled) {
        Await.on(policy.save(context.output()));
      }
      return new Result(
          state.step(),
          state.loss(),
          state.heldOutLossBefore(),
          after,
          state.tokens(),
          state.skippedUpdates(),
          state.account(),
          cancelled);
    } finally {
      Await.on(policy.close());
    }
  }

  private RoleSpec policySpec(long seed, int totalSteps) {
    return new RoleSpec(
        POLICY,
        start.model(),
        start.adapter(),
        config.tuning().tuning(),
        Head.LANGUAGE_MODEL,
        Optional.of(config.optimizer().settings(totalSteps)),
        1,
        Optional.empty(),
        Seeds.derive(seed, Seeds.Purpose.POLICY, 0));
  }

  /** Mean negative log-probability per trained token of the held-out texts. */
  private double heldOutLoss(Role policy) {
    List<Sequence> sequences = data.heldOut().stream().map(SftExample::sequence).toList();
    if (sequences.isEmpty()) {
      return 0;
    }
    double sum = 0;
    long tokens = 0;
    for (TokenOutputs output : Await.on(policy.evaluate(sequences, Set.of(Output.LOGPROBS)))) {
      for (float logprob : output.logprobs().values()) {
        sum -= logprob;
        tokens++;
      }
    }
    return sum / Math.max(1, tokens);
  }
}
