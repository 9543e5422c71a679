package dev.troupe.rlhf.recipe;

import dev.troupe.protocol.data.BatchTotals;
import dev.troupe.protocol.data.Example;
import dev.troupe.protocol.data.Head;
import dev.troupe.protocol.data.LossGradient;
import dev.troupe.protocol.data.Objective;
import dev.troupe.protocol.data.OptimizerSettings;
import dev.troupe.protocol.data.Prompt;
import dev.troupe.protocol.data.RoleSpec;
import dev.troupe.protocol.data.Sequence;
import dev.troupe.protocol.data.TokenOutputs;
import dev.troupe.protocol.data.Tuning;
import dev.troupe.protocol.data.UpdateResult;
import dev.troupe.rlhf.port.Role;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import java.util.concurrent.CompletionStage;
import java.util.function.LongFunction;

/**
 * Learning from preferences without a reward model: DPO and its relatives, ORPO, KTO, each a {@link
 * PreferenceMethod}.
 *
 * @param <T> a sample
 * @param <E> what it becomes for the loss
 */
public final class PreferenceRecipe<T, E extends Example> implements Recipe {
  private static final String POLICY = "policy";

  private final PreferenceConfig config;
  private final PreferenceMethod<T, E> method;
  private final ModelStart start;
  private final TrainingData<T> data;
  private final List<Prompt> heldOutPrompts;
  private final Optional<Oracle> oracle;

  /**
   * @param start the policy, which is the reference too where the method has one
   * @param heldOutPrompts to compare replies before and after on
   * @param oracle measures and is never trained on
   */
  public PreferenceRecipe(
      PreferenceConfig config,
      PreferenceMethod<T, E> method,
      ModelStart start,
      TrainingData<T> data,
      List<Prompt> heldOutPrompts,
      Optional<Oracle> oracle) {
    this.config = config;
    this.method = method;
    this.start = start;
    this.data = data;
    this.heldOutPrompts = List.copyOf(heldOutPrompts);
    this.oracle = oracle;
  }

  /**
   * What came out.
   *
   * @param finalLoss of the last step, per sample; absent before the first
   * @param accuracy share of held-out pairs whose chosen reply gained more than the rejected one,
   *     or of held-out answers on the right side, ties counted half; as what follows absent when
   *     the stage did not come to its end
   * @param margin mean over what is held out: by how much
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

  /** The policy on what is held out. */
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
    LongFunction<List<T>> batches =
        method.batches(
            data.train(), config.batchSize(), Seeds.derive(context.seed(), Seeds.Purpose.ORDER, 0));
    CompletionStage<Role> opening = open(context, totalSteps, POLICY);
    Optional<Role> reference =
        method.hasReference()
            ? Optional.of(Await.on(open(context, totalSteps, "reference")))
            : Optional.empty();
    Role policy = Await.on(opening);
    try {
      // 1. Take up an earlier run, or measure where this one starts.
      Steps steps =
          new Steps(context, totalSteps, config.evaluateEvery(), config.best(), List.of(policy));
      PreferenceMethod.Ready<E> heldOut = prepare(data.heldOut(), reference);
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
        long number = state.progress().step();
        // 2. What the reference says of the batch.
        PreferenceMethod.Ready<E> ready =
            phases.time("score", () -> prepare(batches.apply(number), reference));
        Objective<E> objective = phases.time("score", () -> ready.objective().apply(policy));
        // 3. One optimiser step.
        List<E> examples = ready.examples();
        UpdateResult update =
            phases.time("train", () -> Await.on(policy.update(objective, examples)));

        // 4. Enter it in the books; measure on what is held out now and then.
        Steps.Step done =
            steps.learned(
                state.progress(),
                POLICY,
                examples.size(),
                tokens(examples),
                update,
                phases,
                () -> heldOut(policy, heldOut).metrics());
        state = new State(done.progress(), Optional.of(update.loss()), state.before());

        // 5. Step boundary: report, checkpoint, stop when asked.
        steps.done(done, state);
      }

      // 6. Save, and measure what was saved.
      Progress progress = state.progress();
      Evaluation before = state.before();
      Steps.Ending ending = steps.end(progress);
      Optional<HeldOut> measured =
          ending.done() ? Optional.of(heldOut(policy, heldOut)) : Optional.empty();
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
      Optional<CompletionStage<Void>> closing = reference.map(Role::close);
      Await.on(policy.close());
      closing.ifPresent(Await::on);
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

  private PreferenceMethod.Ready<E> prepare(List<T> samples, Optional<Role> reference) {
    return method.prepare(samples, reference.map(role -> role));
  }

  private static long tokens(List<? extends Example> examples) {
    return examples.stream()
        .flatMap(example -> example.sequences().stream())
        .mapToLong(sequence -> sequence.tokens().size())
        .sum();
  }

  /** Each example by itself, so that none hides another. */
  private static <E extends Example> HeldOut heldOut(Role policy, PreferenceMethod.Ready<E> ready) {
    Objective<E> objective = ready.objective().apply(policy);
    List<E> examples = ready.examples();
    List<Sequence> sequences = examples.stream().flatMap(e -> e.sequences().stream()).toList();
    List<TokenOutputs> outputs = Await.on(policy.evaluate(sequences, objective.needs()));
    List<Double> wins = new ArrayList<>();
    double loss = 0;
    double margin = 0;
    int from = 0;
    for (E example : examples) {
      int to = from + example.sequences().size();
      LossGradient one =
          objective.evaluate(
              List.of(example),
              List.of(outputs.subList(from, to)),
              BatchTotals.of(List.of(example)));
      wins.add(one.metrics().get("accuracy"));
      loss += one.loss() / examples.size();
      margin += one.metrics().get("margin") / examples.size();
      from = to;
    }
    return new HeldOut(loss, Proportion.ofWins(wins), margin);
  }

  private Evaluation evaluate(Role policy, long seed) {
    return Evaluation.of(
        policy,
        policy,
        Evaluation.Judges.of(oracle),
        heldOutPrompts,
        config.evaluation().generation().settings(Seeds.derive(seed, Seeds.Purpose.EVALUATION, 0)));
  }
}
