package dev.troupe.rlhf.recipe;

import dev.troupe.protocol.data.BatchTotals;
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
import dev.troupe.rlhf.loss.Wins;
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
 * Leaves out a reference that follows the policy.
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
   * @param finalLoss of the last step, per pair; absent before the first
   * @param accuracy share of held-out pairs whose chosen reply gained more than the rejected one,
   *     ties counted half; as what follows absent when the stage did not come to its end
   * @param margin mean difference of the two implicit rewards on the held-out pairs
   * @param before the policy at the start, on the held-out prompts
   * @param after the trained policy on the same
   * @param oracleWinRate of after over before by the oracle, when there is one
   * @param best the state that is the result, where the best one was looked for
   */
  public record Result(
      long steps,
      Optional<Double> finalLoss,
      Optional<Proportion> accuracy,
      Optional<Double> margin,
      Evaluation before,
      Optional<Evaluation> after,
      Optional<Proportion> oracleWinRate,
      long skippedUpdates,
      Account account,
      Optional<Best> best,
      boolean stoppedEarly,
      boolean cancelled,
      Optional<String> failure)
      implements StageResult {}

  /** What a resume needs beside the role's own state; the batch follows from seed and step. */
  public record State(Progress progress, Optional<Double> loss, Evaluation before) {}

  /** The policy on the held-out pairs. */
  private record HeldOut(double loss, Optional<Proportion> accuracy, double margin) {
    Map<String, Double> metrics() {
      Map<String, Double> metrics = new TreeMap<>();
      metrics.put("heldOutLoss", loss);
      metrics.put("heldOutMargin", margin);
      accuracy.ifPresent(found -> metrics.put("heldOutAccuracy", found.share()));
      return metrics;
    }
  }

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
      Steps steps =
          new Steps(context, totalSteps, config.evaluateEvery(), config.best(), List.of(policy));
      List<DpoPair> heldOut = withReference(reference, data.heldOut());
      State state =
          steps
              .resumed(State.class)
              .orElseGet(
                  () ->
                      new State(
                          Progress.begin(data.dropped()),
                          Optional.empty(),
                          evaluate(policy, context.seed())));

      while (steps.goesOn(state.progress())) {
        Phases phases = new Phases();
        long step = state.progress().step() + 1;
        List<TokenPair> batch = batches.batch(step - 1);
        // 2. What the reference says of both replies.
        List<DpoPair> pairs = phases.time("score", () -> withReference(reference, batch));
        // 3. One optimiser step.
        UpdateResult update = phases.time("train", () -> Await.on(policy.update(objective, pairs)));

        // 4. Enter it in the books; measure on the held-out pairs now and then.
        Steps.Step done =
            steps.learned(
                state.progress(),
                POLICY,
                batch.size(),
                tokens(pairs),
                update,
                phases,
                () -> heldOut(policy, objective, heldOut).metrics());
        state = new State(done.progress(), Optional.of(update.loss()), state.before());

        // 5. Step boundary: report, checkpoint, stop when asked.
        steps.done(done, state);
      }

      // 6. Save, and measure what was saved.
      Progress progress = state.progress();
      Evaluation before = state.before();
      Steps.Ending ending = steps.end(progress);
      Optional<HeldOut> measured =
          ending.done() ? Optional.of(heldOut(policy, objective, heldOut)) : Optional.empty();
      Optional<Evaluation> after =
          ending.done() ? Optional.of(evaluate(policy, context.seed())) : Optional.empty();
      return new Result(
          progress.step(),
          state.loss(),
          measured.flatMap(HeldOut::accuracy),
          measured.map(HeldOut::margin),
          before,
          after,
          after.flatMap(replies -> oracle.flatMap(judge -> replies.winRateOver(before, judge))),
          progress.learning().skipped(),
          progress.account(),
          progress.best(),
          ending.early(),
          ending.cancelled(),
          ending.failure());
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
    return Await.on(role.evaluate(sequences, Set.of(Output.LOGPROBS))).stream()
        .map(DpoRecipe::sum)
        .toList();
  }

  private static double sum(TokenOutputs output) {
    double sum = 0;
    for (float logprob : output.logprobs().values()) {
      sum += logprob;
    }
    return sum;
  }

  private static long tokens(List<DpoPair> pairs) {
    return pairs.stream()
        .flatMap(pair -> pair.sequences().stream())
        .mapToLong(sequence -> sequence.tokens().size())
        .sum();
  }

  private static HeldOut heldOut(Role policy, DpoObjective objective, List<DpoPair> pairs) {
    List<Sequence> sequences = pairs.stream().flatMap(p -> p.sequences().stream()).toList();
    List<TokenOutputs> outputs = Await.on(policy.evaluate(sequences, objective.needs()));
    List<List<TokenOutputs>> perPair = new ArrayList<>();
    List<Double> wins = new ArrayList<>();
    double margin = 0;
    for (int i = 0; i < pairs.size(); i++) {
      List<TokenOutputs> both = outputs.subList(2 * i, 2 * i + 2);
      perPair.add(both);
      double chosen = sum(both.get(0)) - pairs.get(i).refChosenLogprob();
      double rejected = sum(both.get(1)) - pairs.get(i).refRejectedLogprob();
      wins.add(Wins.of(chosen, rejected));
      margin += objective.beta() * (chosen - rejected) / pairs.size();
    }
    long reads = sequences.stream().mapToLong(sequence -> sequence.reads().size()).sum();
    return new HeldOut(
        objective.evaluate(pairs, perPair, new BatchTotals(pairs.size(), reads)).loss(),
        Proportion.ofWins(wins),
        margin);
  }

  private Evaluation evaluate(Role policy, long seed) {
    return Evaluation.of(
        policy,
        new Evaluation.Judges(
            Optional.empty(), Optional.empty(), PpoConfig.Placement.MODERN, oracle),
        heldOutPrompts,
        config.evaluation().generation().settings(Seeds.derive(seed, Seeds.Purpose.EVALUATION, 0)));
  }
}
