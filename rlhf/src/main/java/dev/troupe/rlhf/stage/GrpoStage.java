package dev.troupe.rlhf.stage;

import dev.troupe.protocol.data.Head;
import dev.troupe.protocol.data.Prompt;
import dev.troupe.rlhf.data.DataException;
import dev.troupe.rlhf.environment.EpisodeSetup;
import dev.troupe.rlhf.limits.Limits;
import dev.troupe.rlhf.loss.DpoObjective;
import dev.troupe.rlhf.loss.DpoPair;
import dev.troupe.rlhf.loss.KlTerm;
import dev.troupe.rlhf.loss.PolicyExample;
import dev.troupe.rlhf.loss.PolicyObjective;
import dev.troupe.rlhf.loss.Ratio;
import dev.troupe.rlhf.loss.SftExample;
import dev.troupe.rlhf.loss.SftObjective;
import dev.troupe.rlhf.recipe.GrpoConfig;
import dev.troupe.rlhf.recipe.GrpoRecipe;
import dev.troupe.rlhf.recipe.Learn;
import dev.troupe.rlhf.recipe.ModelStart;
import dev.troupe.rlhf.recipe.Recipe;
import dev.troupe.rlhf.recipe.RolloutsConfig;
import dev.troupe.rlhf.recipe.StageInputs;
import dev.troupe.rlhf.recipe.StageResult;
import dev.troupe.rlhf.recipe.TrainingData;
import dev.troupe.rlhf.reward.RewardConfig;
import dev.troupe.rlhf.reward.Rewards;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;

/** Group-relative policy optimisation, and what goes the same way round. */
public final class GrpoStage implements Stage<GrpoConfig> {
  @Override
  public String name() {
    return "grpo";
  }

  @Override
  public Class<GrpoConfig> config() {
    return GrpoConfig.class;
  }

  @Override
  public Class<? extends StageResult> result() {
    return GrpoRecipe.Result.class;
  }

  @Override
  public Part gives() {
    return Part.POLICY;
  }

  @Override
  public Set<Part> takes() {
    return Set.of(Part.POLICY, Part.REWARD_MODEL);
  }

  @Override
  public Set<Source> reads() {
    return Set.of(Source.PROMPTS);
  }

  @Override
  public List<RoleUse> roles(GrpoConfig config) {
    List<RoleUse> roles = new ArrayList<>();
    roles.add(
        RoleUse.trained(
                "policy",
                Part.POLICY,
                Head.LANGUAGE_MODEL,
                new RoleUse.Training(
                    "policy.tuning",
                    config.policy().tuning(),
                    config.policy().optimizer(),
                    config.answersPerUpdate()))
            .answering(config.answersPerIteration()));
    if (config.needsReference()) {
      roles.add(RoleUse.frozen("reference", Part.POLICY, Head.LANGUAGE_MODEL));
    }
    if (config.teacher().model().isPresent()) {
      roles.add(RoleUse.frozen("teacher", Part.MODEL, Head.LANGUAGE_MODEL));
    }
    if (config.scoresByModel()) {
      roles.add(RoleUse.frozen("reward", Part.REWARD_MODEL, Head.VALUE));
    }
    return roles;
  }

  @Override
  public Forecast forecast(GrpoConfig config, StageInputs inputs) {
    return Forecast.answered(
        data(config, inputs),
        config.iterations(),
        config.promptsPerIteration(),
        config.answersPerIteration() * config.groups().asks(),
        config.generation().maxNewTokens(),
        config.observationTokens());
  }

  @Override
  public Forecast forecast(GrpoConfig config, Counts counts) {
    checkJudged(config);
    int prompts =
        counts.prompts(
            name(), config.promptsPerIteration(), config.generation(), config.evaluation());
    return Forecast.counted(
        "prompts",
        prompts,
        config.evaluation().heldOut(),
        config.iterations(),
        config.promptsPerIteration());
  }

  private static TrainingData<Prompt> data(GrpoConfig config, StageInputs inputs) {
    return inputs.tasks(
        "grpo",
        List.of(rewards(config, inputs), guarding(config, inputs)),
        episodes(config, inputs),
        config.promptsPerIteration(),
        config.generation(),
        config.evaluation());
  }

  private static Optional<EpisodeSetup> episodes(GrpoConfig config, StageInputs inputs) {
    return config
        .environment()
        .map(it -> inputs.episodes("grpo.environment", it, config.episodes()));
  }

  @Override
  public Recipe recipe(GrpoConfig config, StageSetting setting) {
    return new GrpoRecipe(
        config,
        setting.policy(),
        setting.reward(),
        data(config, setting.inputs()),
        rewards(config, setting.inputs()),
        guarding(config, setting.inputs()),
        episodes(config, setting.inputs()));
  }

  /** Made once and ended again, so that what is wrong with one is said before anything trains. */
  @Override
  public void check(GrpoConfig config, StageInputs inputs) {
    rewards(config, inputs).check();
    guarding(config, inputs).check();
  }

  @Override
  public void check(GrpoConfig config, RolloutsConfig rollouts, Limits limits) {
    if (!rollouts.isStale()) {
      return;
    }
    rollouts.checkRounds(name(), config.iterations(), limits);
    limits
        .condition(
            "grpo.environment",
            "given",
            config.environment().isEmpty(),
            "null with rollouts.staleness above 0: the turns of an episode would be those of"
                + " different weights",
            "rollouts.staleness")
        .condition(
            "grpo.groups.constant",
            "refill",
            config.groups().constant() != GrpoConfig.Constant.REFILL,
            "keep or drop with rollouts.staleness above 0: the prompts asked for in the place of"
                + " others would be answered by weights that depend on who is how fast",
            "rollouts.staleness");
    if (config.learn() instanceof Learn.PolicyGradient gradient) {
      limits
          .condition(
              "grpo.learn.ratio",
              Limits.word(gradient.ratio()),
              gradient.ratio() == Ratio.TOKEN,
              "token with rollouts.staleness above 0: what older weights sampled is weighted token"
                  + " by token",
              "rollouts.staleness")
          .condition(
              "grpo.policy.importance-cap",
              "null",
              config.policy().importanceCap().isPresent(),
              "a number with rollouts.staleness above 0: older weights sampled",
              "rollouts.staleness")
          .condition(
              "grpo.kl.gradient",
              Limits.word(config.kl().gradient()),
              config.kl().term().coefficient() == 0
                  || config.kl().gradient() != KlTerm.Gradient.CORRECTED,
              "estimate or divergence with rollouts.staleness above 0: the ratio is over the policy"
                  + " at the beginning of the round then, and not over the older one that sampled",
              "rollouts.staleness");
    }
  }

  private static Rewards guarding(GrpoConfig config, StageInputs inputs) {
    return inputs.rewards("grpo.guard.rewards", config.guard().rewards());
  }

  private static Rewards rewards(GrpoConfig config, StageInputs inputs) {
    checkJudged(config);
    return inputs.rewards("grpo.rewards", config.rewards());
  }

  private static void checkJudged(GrpoConfig config) {
    if (config.rewards().isEmpty() && config.teacher().model().isEmpty()) {
      throw new DataException(
          "grpo.rewards is {} and nothing says how good an answer is: name a reward, for example"
              + " grpo.rewards { right { type = number } }, or a teacher to learn from"
              + " (grpo.teacher.model)");
    }
  }

  @Override
  public Map<String, ModelStart> models(GrpoConfig config) {
    return config.teacher().start().map(start -> Map.of("grpo.teacher", start)).orElse(Map.of());
  }

  /** Schemas of rewards, and tools. */
  @Override
  public Map<String, String> files(GrpoConfig config) {
    Map<String, String> files = new TreeMap<>(RewardConfig.files("grpo.rewards", config.rewards()));
    files.putAll(RewardConfig.files("grpo.guard.rewards", config.guard().rewards()));
    config.environment().ifPresent(it -> files.putAll(it.files("grpo.environment")));
    return files;
  }

  @Override
  public Set<Class<?>> wire() {
    return Set.of(
        PolicyObjective.class,
        PolicyExample.class,
        SftObjective.class,
        SftExample.class,
        DpoObjective.class,
        DpoPair.class);
  }

  @Override
  public int shownReplies(GrpoConfig config) {
    return config.evaluation().samples();
  }
}
