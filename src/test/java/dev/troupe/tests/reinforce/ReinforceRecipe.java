package dev.troupe.tests.reinforce;

import dev.troupe.protocol.data.Head;
import dev.troupe.protocol.data.Prompt;
import dev.troupe.protocol.data.RoleSpec;
import dev.troupe.protocol.data.Rollout;
import dev.troupe.protocol.data.UpdateResult;
import dev.troupe.rlhf.data.Batches;
import dev.troupe.rlhf.port.Role;
import dev.troupe.rlhf.recipe.Account;
import dev.troupe.rlhf.recipe.Await;
import dev.troupe.rlhf.recipe.BestConfig;
import dev.troupe.rlhf.recipe.Evaluation;
import dev.troupe.rlhf.recipe.ModelStart;
import dev.troupe.rlhf.recipe.Phases;
import dev.troupe.rlhf.recipe.Progress;
import dev.troupe.rlhf.recipe.Recipe;
import dev.troupe.rlhf.recipe.Seeds;
import dev.troupe.rlhf.recipe.StageContext;
import dev.troupe.rlhf.recipe.StageResult;
import dev.troupe.rlhf.recipe.Steps;
import dev.troupe.rlhf.recipe.TrainingData;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/** REINFORCE (Williams 1992), with the mean of a round as the baseline. */
public final class ReinforceRecipe implements Recipe {
  private static final String POLICY = "policy";

  private final ReinforceConfig config;
  private final ModelStart start;
  private final TrainingData<Prompt> data;

  ReinforceRecipe(ReinforceConfig config, ModelStart start, TrainingData<Prompt> data) {
    this.config = config;
    this.start = start;
    this.data = data;
  }

  /** What came out; the end of a run, its page and {@code summary.json} show it. */
  public record Result(
      long iterations,
      Evaluation before,
      Optional<Evaluation> after,
      Account account,
      boolean cancelled,
      Optional<String> failure)
      implements StageResult {}

  /** What a resume needs beside the policy's own state. */
  public record State(Progress progress, Evaluation before) {}

  @Override
  public int totalSteps() {
    return config.iterations();
  }

  @Override
  public Result run(StageContext context) {
    Batches<Prompt> prompts =
        new Batches<>(
            data.train(),
            config.promptsPerIteration(),
            Batches.Last.LEFT_OUT,
            Seeds.derive(context.seed(), Seeds.Purpose.ORDER, 0));
    Role policy = Await.on(context.open(policy(context.seed())));
    try {
      Steps steps = new Steps(context, totalSteps(), 0, BestConfig.NONE, List.of(policy));
      State state =
          steps
              .resumed(State.class)
              .orElseGet(
                  () ->
                      new State(Progress.begin(data.dropped()), evaluate(policy, context.seed())));
      while (steps.goesOn(state.progress())) {
        Phases phases = new Phases();
        long step = state.progress().step() + 1;

        // The algorithm: answer, score, learn from what is better than the mean.
        List<Rollout> rollouts =
            phases.time(
                "generate", () -> answer(policy, prompts.batch(step - 1), context.seed(), step));
        double mean = rollouts.stream().mapToDouble(this::reward).average().orElseThrow();
        List<WeightedAnswer> answers =
            rollouts.stream()
                .map(each -> new WeightedAnswer(each.sequence(), reward(each) - mean))
                .toList();
        UpdateResult update =
            phases.time("train", () -> Await.on(policy.update(new ReinforceObjective(), answers)));

        // The step's end: books, report, checkpoint, stop when asked.
        Steps.Step done =
            steps.learned(
                state.progress(),
                POLICY,
                answers.size(),
                tokens(rollouts),
                update,
                phases,
                Map::of);
        state = new State(done.progress(), state.before());
        done.metrics().put("score", mean);
        steps.done(done, state);
      }
      Steps.Ending ending = steps.end(state.progress());
      return new Result(
          state.progress().step(),
          state.before(),
          ending.done() ? Optional.of(evaluate(policy, context.seed())) : Optional.empty(),
          state.progress().account(),
          ending.cancelled(),
          ending.failure());
    } finally {
      Await.on(policy.close());
    }
  }

  /** How far an answer's length is from the target, negative. */
  private double reward(Rollout rollout) {
    return -Math.abs(rollout.response().size() - (double) config.target());
  }

  private static long tokens(List<Rollout> rollouts) {
    return rollouts.stream().mapToLong(each -> each.response().size()).sum();
  }

  private List<Rollout> answer(Role policy, List<Prompt> prompts, long seed, long step) {
    long sampling = Seeds.derive(seed, Seeds.Purpose.SAMPLING, step);
    return Await.on(policy.generate(prompts, config.generation().settings(sampling)));
  }

  private Evaluation evaluate(Role policy, long seed) {
    return Evaluation.of(
        policy,
        data.heldOut(),
        config.evaluation().generation().settings(Seeds.derive(seed, Seeds.Purpose.EVALUATION, 0)));
  }

  private RoleSpec policy(long seed) {
    return new RoleSpec(
        POLICY,
        start.model(),
        start.adapter(),
        config.tuning().tuning(),
        Head.LANGUAGE_MODEL,
        Optional.of(config.optimizer().settings(totalSteps())),
        config.generation().temperature(),
        Optional.empty(),
        Seeds.derive(seed, Seeds.Purpose.POLICY, 0));
  }
}
