package dev.troupe.rlhf.stage;

import dev.troupe.protocol.data.Head;
import dev.troupe.protocol.data.Prompt;
import dev.troupe.rlhf.limits.Limits;
import dev.troupe.rlhf.loss.PolicyExample;
import dev.troupe.rlhf.loss.PolicyObjective;
import dev.troupe.rlhf.loss.PpoValueObjective;
import dev.troupe.rlhf.loss.SftExample;
import dev.troupe.rlhf.loss.SftObjective;
import dev.troupe.rlhf.loss.ValueExample;
import dev.troupe.rlhf.recipe.PpoConfig;
import dev.troupe.rlhf.recipe.PpoData;
import dev.troupe.rlhf.recipe.PpoRecipe;
import dev.troupe.rlhf.recipe.PpoStart;
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
import java.util.stream.Stream;

/** Proximal policy optimisation. */
public final class PpoStage implements Stage<PpoConfig> {
  @Override
  public String name() {
    return "ppo";
  }

  @Override
  public Class<PpoConfig> config() {
    return PpoConfig.class;
  }

  @Override
  public Class<? extends StageResult> result() {
    return PpoRecipe.Result.class;
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
    return Set.of(Source.PROMPTS, Source.PRETRAINING);
  }

  @Override
  public List<RoleUse> roles(PpoConfig config) {
    int prompts = config.promptsPerIteration();
    long minibatch = (prompts + config.minibatches() - 1L) / config.minibatches();
    Part criticFrom =
        switch (config.critic().start()) {
          case REWARD_MODEL -> Part.REWARD_MODEL;
          case BASE -> Part.MODEL;
        };
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
                    minibatch))
            .answering(prompts));
    roles.add(
        RoleUse.trained(
            "critic",
            criticFrom,
            Head.VALUE,
            new RoleUse.Training(
                "critic.tuning",
                config.critic().tuning(),
                config.critic().optimizer(),
                minibatch)));
    if (config.scoresByModel()) {
      roles.add(RoleUse.frozen("reward", Part.REWARD_MODEL, Head.VALUE));
    }
    roles.add(RoleUse.frozen("reference", Part.POLICY, Head.LANGUAGE_MODEL));
    return roles;
  }

  @Override
  public Forecast forecast(PpoConfig config, StageInputs inputs) {
    return Forecast.answered(
        data(config, inputs).prompts(),
        config.iterations(),
        config.promptsPerIteration(),
        config.promptsPerIteration(),
        config.generation().maxNewTokens());
  }

  @Override
  public Forecast forecast(PpoConfig config, Counts counts) {
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

  private PpoData data(PpoConfig config, StageInputs inputs) {
    List<Rewards> rewards =
        Stream.of(rewards(config, inputs), guarding(config, inputs))
            .flatMap(Optional::stream)
            .toList();
    TrainingData<Prompt> prompts =
        rewards.isEmpty()
            ? inputs.prompts(
                name(), config.promptsPerIteration(), config.generation(), config.evaluation())
            : inputs.tasks(
                name(),
                rewards,
                Optional.empty(),
                config.promptsPerIteration(),
                config.generation(),
                config.evaluation());
    List<SftExample> pretraining =
        config.policy().ptxCoefficient() > 0 ? inputs.pretraining() : List.of();
    return new PpoData(prompts, pretraining);
  }

  private static Optional<Rewards> rewards(PpoConfig config, StageInputs inputs) {
    return config.rewards().isEmpty()
        ? Optional.empty()
        : Optional.of(inputs.rewards("ppo.rewards", config.rewards()));
  }

  private static Optional<Rewards> guarding(PpoConfig config, StageInputs inputs) {
    return config.guard().rewards().isEmpty()
        ? Optional.empty()
        : Optional.of(inputs.rewards("ppo.guard.rewards", config.guard().rewards()));
  }

  /** Made once and ended again, so that what is wrong with one is said before anything trains. */
  @Override
  public void check(PpoConfig config, StageInputs inputs) {
    rewards(config, inputs).ifPresent(Rewards::check);
    guarding(config, inputs).ifPresent(Rewards::check);
  }

  @Override
  public void check(PpoConfig config, RolloutsConfig rollouts, Limits limits) {
    if (!rollouts.isStale()) {
      return;
    }
    rollouts.checkRounds(name(), config.iterations(), limits);
    limits.condition(
        "ppo.policy.importance-cap",
        "null",
        config.policy().importanceCap().isPresent(),
        "a number with rollouts.staleness above 0: older weights sampled",
        "rollouts.staleness");
  }

  @Override
  public Map<String, String> files(PpoConfig config) {
    Map<String, String> files = new TreeMap<>(RewardConfig.files("ppo.rewards", config.rewards()));
    files.putAll(RewardConfig.files("ppo.guard.rewards", config.guard().rewards()));
    return files;
  }

  @Override
  public Recipe recipe(PpoConfig config, StageSetting setting) {
    return new PpoRecipe(
        config,
        new PpoStart(setting.policy(), setting.reward()),
        data(config, setting.inputs()),
        setting.oracle(),
        rewards(config, setting.inputs()),
        guarding(config, setting.inputs()));
  }

  @Override
  public Set<Class<?>> wire() {
    return Set.of(
        PolicyObjective.class,
        PolicyExample.class,
        PpoValueObjective.class,
        ValueExample.class,
        SftObjective.class,
        SftExample.class);
  }

  @Override
  public int shownReplies(PpoConfig config) {
    return config.evaluation().samples();
  }
}
