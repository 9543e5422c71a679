package dev.troupe.rlhf.recipe;

import dev.troupe.protocol.data.Head;
import dev.troupe.protocol.data.OptimizerSettings;
import dev.troupe.protocol.data.Output;
import dev.troupe.protocol.data.Prompt;
import dev.troupe.protocol.data.RoleSpec;
import dev.troupe.protocol.data.Sequence;
import dev.troupe.protocol.data.TokenOutputs;
import dev.troupe.protocol.data.Tuning;
import dev.troupe.protocol.data.UpdateResult;
import dev.troupe.rlhf.data.Batches;
import dev.troupe.rlhf.data.TokenPair;
import dev.troupe.rlhf.loss.DpoObjective;
import dev.troupe.rlhf.loss.DpoPair;
import dev.troupe.rlhf.port.Checkpoints.Saved;
import dev.troupe.rlhf.port.Role;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;
import java.util.concurrent.CompletionStage;

/**
 * Direct preference optimisation (Rafailov et al. 2023): learn from pairs without a reward model.
 * Leaves out the SFT term that some mix in, and a reference that follows the policy.
 */
public final class DpoRecipe implements Recipe {
  private static final String POLICY = "policy";

  private final DpoConfig config;
  private final ModelStart start;
  private final TrainingData<TokenPair> data;
  private final List<Prompt> heldOutPrompts;
  private final Optional<Oracle> oracle;

  /**
   * @param start the SFT model, which is the reference too
   * @param heldOutPrompts to compare replies before and after on
   * @param oracle measures and is never trained on
   */
  public DpoRecipe(
      DpoConfig config,
      ModelStart start,
      TrainingData<TokenPair> data,
      List<Prompt> heldOutPrompts,
      Optional<Oracle> oracle) {
    this.config = config;
    this.start = start;
    this.data = data;
    this.heldOutPrompts = List.copyOf(heldOutPrompts);
    this.oracle = oracle;
  }

  /**
   * What came out.
   *
   * @param accuracy share of held-out pairs whose chosen reply gained more than the rejected one
   * @param margin mean difference of the two implicit rewards on the held-out pairs
   * @param before the SFT model on the held-out prompts
   * @param after the trained policy on the same
   * @param oracleWinRate of after over before by the oracle, when there is one
   */
  public record Result(
      long steps,
      double finalLoss,
      Proportion accuracy,
      double margin,
      Evaluation before,
      Evaluation after,
      Optional<Proportion> oracleWinRate,
      long skippedUpdates,
      Account account,
      boolean cancelled)
      implements StageResult {}

  /** What a resume needs beside the role's own state; the batch follows from seed and step. */
  public record State(
      long step, double loss, long skippedUpdates, Account account, Evaluation before) {}

  private record HeldOut(Proportion accuracy, double margin) {}

  @Override
  public int totalSteps() {
    return config.totalSteps(data.train().size());
  }

  /** Trains and saves the policy. */
  @Override
  public Result run(StageContext context) {
    int totalSteps = totalSteps();
    DpoObjective objective =
        new DpoObjective(
            config.variant(), config.beta(), config.labelSmoothing(), config.sftCoefficient());
    Batches<TokenPair> batches =
        new Batches<>(
            data.train(),
            config.batchSize(),
            Batches.Last.SHORT,
            Seeds.derive(context.seed(), Seeds.Purpose.ORDER, 0));
    CompletionStage<Role> opening = open(context, totalSteps, POLICY);
    Role reference = Await.on(open(context, totalSteps, "reference"));
    Role policy = Await.on(opening);
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
        state = new State(0, 0, 0, ledger.account(), evaluate(policy, context.seed()));
      }

      boolean cancelled = context.observer().cancelled();
      while (state.step() < totalSteps && !cancelled) {
        Phases phases = new Phases();
        long step = state.step() + 1;
        List<TokenPair> batch = batches.batch(step - 1);
        // 2. What the reference says of both replies.
        List<DpoPair> pairs = phases.time("score", () -> withReference(reference, batch));
        // 3. One optimiser step.
        UpdateResult update = phases.time("train", () -> Await.on(policy.update(objective, pairs)));

        // 4. Enter it in the books.
        Ledger ledger = new Ledger(state.account());
        for (int i = 0; i < batch.size(); i++) {
          Samples.learned(ledger, step + "/" + i, update.applied());
        }
        if (!update.applied()) {
          context
              .observer()
              .notice(context.stage(), Samples.skipped(POLICY, step, update.gradientNorm()));
        }
        state =
            new State(
                step,
                update.loss(),
                state.skippedUpdates() + (update.applied() ? 0 : 1),
                ledger.account(),
                state.before());

        // 5. Report.
        long tokens =
            pairs.stream()
                .flatMap(p -> p.sequences().stream())
                .mapToLong(s -> s.tokens().size())
                .sum();
        Map<String, Double> metrics = new TreeMap<>(update.metrics());
        metrics.put("loss", update.loss());
        metrics.put("gradientNorm", update.gradientNorm());
        metrics.put("learningRate", update.learningRate());
        metrics.put("tokensPerSecond", tokens / Math.max(1e-9, phases.of("train")));
        context.observer().step(context.stage(), step, totalSteps, metrics, phases.seconds());

        // 6. Step boundary: checkpoint, stop when asked.
        cancelled = context.observer().cancelled();
        if (context.checkpoints().due(context.stage(), step, cancelled)) {
          String directory = context.checkpoints().begin(context.stage(), step);
          Await.on(policy.checkpoint(directory + "/" + POLICY));
          context.checkpoints().commit(context.stage(), step, state);
        }
      }

      // 7. Measure again and save.
      HeldOut heldOut = heldOut(policy, reference);
      Evaluation before = state.before();
      Evaluation after = cancelled ? before : evaluate(policy, context.seed());
      if (!cancelled) {
        Await.on(policy.save(context.output()));
      }
      return new Result(
          state.step(),
          state.loss(),
          heldOut.accuracy(),
          heldOut.margin(),
          before,
          after,
          oracle.map(judge -> after.winRateOver(before, judge)),
          state.skippedUpdates(),
          state.account(),
          cancelled);
    } finally {
      CompletionStage<Void> closing = reference.close();
      Await.on(policy.close());
      Await.on(closing);
    }
  }

  private CompletionStage<Role> open(StageContext context, int totalSteps, String name) {
    boolean trained = name.equals(POLICY);
    return context.open(
        new RoleSpec(
            name,
            start.model(),
            start.adapter(),
            trained ? config.tuning().tuning() : new Tuning.Frozen(),
            Head.LANGUAGE_MODEL,
            trained ? Optional.of(config.optimizer().settings(totalSteps)) : none(),
            1,
            Optional.empty(),
            Seeds.derive(context.seed(), Seeds.Purpose.POLICY, 0)));
  }

  private static Optional<OptimizerSettings> none() {
    return Optional.empty();
  }

  private static List<DpoPair> withReference(Role reference, List<TokenPair> batch) {
    List<Double> sums = sums(reference, batch);
    List<DpoPair> pairs = new ArrayList<>();
    for (int i = 0; i < batch.size(); i++) {
      TokenPair pair = batch.get(i);
      pairs.add(pair.dpo(sums.get(2 * i), sums.get(2 * i + 1)));
    }
    return pairs;
  }

  /** Summed log-probabilities of chosen, rejected, chosen, rejected … */
  private static List<Double> sums(Role role, List<TokenPair> pairs) {
    List<Sequence> sequences = new ArrayList<>();
    for (TokenPair pair : pairs) {
      sequences.add(pair.chosenSequence());
      sequences.add(pair.rejectedSequence());
    }
    List<Double> sums = new ArrayList<>();
    for (TokenOutputs output : Await.on(role.evaluate(sequences, Set.of(Output.LOGPROBS)))) {
      double sum = 0;
      for (float logprob : output.logprobs().values()) {
        sum += logprob;
      }
      sums.add(sum);
    }
    return sums;
  }

  private HeldOut heldOut(Role policy, Role reference) {
    List<Double> trained = sums(policy, data.heldOut());
    List<Double> original = sums(reference, data.heldOut());
    double wins = 0;
    double margin = 0;
    for (int i = 0; i < data.heldOut().size(); i++) {
      double chosen = trained.get(2 * i) - original.get(2 * i);
      double rejected = trained.get(2 * i + 1) - original.get(2 * i + 1);
      wins += chosen > rejected ? 1 : chosen == rejected ? 0.5 : 0;
      margin += config.beta() * (chosen - rejected) / data.heldOut().size();
    }
    return new HeldOut(Proportion.of(wins, data.heldOut().size()), margin);
  }

  private Evaluation evaluate(Role policy, long seed) {
    return Evaluation.of(
        policy,
        Optional.empty(),
        PpoConfig.Placement.MODERN,
        oracle,
        heldOutPrompts,
        config.evaluation().generation().settings(Seeds.derive(seed, Seeds.Purpose.EVALUATION, 0)));
  }
}
