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
import dev.troupe.rlhf.port.Role;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;

/**
 * Supervised fine-tuning: imitate given texts (Ouyang et al. 2022, step 1). With every weight tuned
 * from random values and every token trained, it is pre-training.
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
   * @param finalLoss of the last step, per token; absent before the first
   * @param heldOutLossBefore per token; absent when nothing is held out
   * @param heldOutLossAfter likewise, and when the stage did not come to its end
   * @param tokens trained tokens
   * @param skippedUpdates steps whose gradient was not finite
   * @param best the state that is the result, where the best one was looked for
   */
  public record Result(
      long steps,
      Optional<Double> finalLoss,
      Optional<Double> heldOutLossBefore,
      Optional<Double> heldOutLossAfter,
      long tokens,
      long skippedUpdates,
      Account account,
      Optional<Best> best,
      boolean stoppedEarly,
      boolean cancelled,
      Optional<String> failure)
      implements StageResult {}

  /** What a resume needs beside the role's own state; the batch follows from seed and step. */
  public record State(
      Progress progress, Optional<Double> loss, Optional<Double> heldOutLossBefore, long tokens) {}

  @Override
  public int totalSteps() {
    return config.totalSteps(data.train().size());
  }

  /** Trains and saves the policy. */
  @Override
  public Result run(StageContext context) {
    int totalSteps = totalSteps();
    SftObjective objective = new SftObjective(config.averaging(), 1, config.weighting());
    Batches<SftExample> batches =
        new Batches<>(
            data.train(),
            config.batchSize(),
            Batches.Last.SHORT,
            Seeds.derive(context.seed(), Seeds.Purpose.ORDER, 0));
    Role policy = Await.on(context.open(policySpec(context.seed(), totalSteps)));
    try {
      // 1. Take up an earlier run, or measure where this one starts.
      Steps steps =
          new Steps(context, totalSteps, config.evaluateEvery(), config.best(), List.of(policy));
      State state =
          steps
              .resumed(State.class)
              .orElseGet(
                  () ->
                      new State(
                          Progress.begin(data.dropped()),
                          Optional.empty(),
                          heldOutLoss(policy),
                          0));

      while (steps.goesOn(state.progress())) {
        // 2. One batch, one optimiser step.
        Phases phases = new Phases();
        long step = state.progress().step() + 1;
        List<SftExample> batch = batches.batch(step - 1);
        UpdateResult update = phases.time("train", () -> Await.on(policy.update(objective, batch)));

        // 3. Enter it in the books; measure the held-out loss now and then.
        long tokens = batch.stream().mapToLong(e -> e.sequence().reads().size()).sum();
        Steps.Step done =
            steps.learned(
                state.progress(),
                POLICY,
                batch.size(),
                tokens,
                update,
                phases,
                () ->
                    heldOutLoss(policy).map(loss -> Map.of("heldOutLoss", loss)).orElse(Map.of()));
        state =
            new State(
                done.progress(),
                Optional.of(update.loss()),
                state.heldOutLossBefore(),
                state.tokens() + (update.applied() ? tokens : 0));

        // 4. Step boundary: report, checkpoint, stop when asked.
        steps.done(done, state);
      }

      // 5. Save, and measure what was saved.
      Progress progress = state.progress();
      Steps.Ending ending = steps.end(progress);
      return new Result(
          progress.step(),
          state.loss(),
          state.heldOutLossBefore(),
          ending.done() ? heldOutLoss(policy) : Optional.empty(),
          state.tokens(),
          progress.learning().skipped(),
          progress.account(),
          progress.best(),
          ending.early(),
          ending.cancelled(),
          ending.failure());
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
        Optional.of(config.optimizer().settings(totalSteps).packing(config.packing())),
        1,
        Optional.empty(),
        Seeds.derive(seed, Seeds.Purpose.POLICY, 0));
  }

  /** Mean negative log-probability per trained token of the held-out texts, if there are any. */
  private Optional<Double> heldOutLoss(Role policy) {
    List<Sequence> sequences = data.heldOut().stream().map(SftExample::sequence).toList();
    if (sequences.isEmpty()) {
      return Optional.empty();
    }
    double sum = 0;
    long tokens = 0;
    for (TokenOutputs output : Await.on(policy.evaluate(sequences, Set.of(Output.LOGPROBS)))) {
      for (float logprob : output.logprobs().values()) {
        sum -= logprob;
        tokens++;
      }
    }
    return tokens == 0 ? Optional.empty() : Optional.of(sum / tokens);
  }
}
