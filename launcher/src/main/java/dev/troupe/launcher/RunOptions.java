package dev.troupe.launcher;

import dev.troupe.actors.pipeline.PipelineConfig;
import dev.troupe.configuration.ConfigurationLoader;
import dev.troupe.configuration.PipelineConfigurations;
import dev.troupe.models.checkpoint.ModelConfig;
import dev.troupe.models.torch.Device;
import dev.troupe.models.torch.Lanes;
import dev.troupe.rlhf.recipe.TuningConfig;
import java.nio.file.Path;
import java.util.List;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** Which configuration a run has. */
final class RunOptions {
  private static final String TRAIN = " train";

  @Parameters(paramLabel = "CONF", description = "configuration file, see docs/configuration.md")
  private Path file = Path.of("");

  @Option(
      names = "--set",
      paramLabel = "KEY=VALUE",
      description = "overrides a key of the configuration, such as ppo.iterations=20; repeatable")
  private List<String> overrides = List.of();

  @Option(
      names = "--resume",
      description =
          "goes on with the stopped run in the output directory, from its last checkpoint, to the"
              + " result that it would have had")
  private boolean resume;

  boolean resume() {
    return resume;
  }

  ConfigurationLoader.Loaded<PipelineConfig> load() {
    return PipelineConfigurations.loader().load(file, overrides);
  }

  /** An estimate from config.json and the configuration alone. */
  static MemoryPlan memory(PipelineConfig config, Device device) {
    ModelSize model =
        config.model().isPresent()
            ? new ModelSize(ModelConfig.read(Path.of(config.model().get())))
            : ModelSize.of(config.pretrain().model());
    MemoryPlan.Builder plan =
        new MemoryPlan.Builder(model, config.engine().numerics(), Lanes.on(device));
    long longest = longest(config.data().maxTokens(), model);
    for (PipelineConfig.Stage stage : config.stages()) {
      switch (stage) {
        case PRETRAIN ->
            plan.trained(
                "pretrain" + TRAIN,
                "policy",
                config.pretrain().training().tuning(),
                config.pretrain().training().optimizer(),
                config.pretrain().training().batchSize(),
                longest);
        case SFT ->
            plan.base("sft" + TRAIN)
                .trained(
                    "sft" + TRAIN,
                    "policy",
                    config.sft().tuning(),
                    config.sft().optimizer(),
                    config.sft().batchSize(),
                    longest);
        case REWARD ->
            plan.base("reward" + TRAIN)
                .trained(
                    "reward" + TRAIN,
                    "reward",
                    config.reward().tuning(),
                    config.reward().optimizer(),
                    2L * config.reward().batchSize(),
                    longest);
        case PPO -> ppo(plan, config, model);
        case DPO ->
            plan.base("dpo" + TRAIN)
                .loaded("dpo" + TRAIN, "reference", config.sft().tuning())
                .trained(
                    "dpo" + TRAIN,
                    "policy",
                    config.dpo().tuning(),
                    config.dpo().optimizer(),
                    2L * config.dpo().batchSize(),
                    longest);
      }
    }
    return plan.build(device, Runtime.getRuntime().maxMemory());
  }

  private static long longest(int limit, ModelSize model) {
    return limit == 0 ? model.contextLength() : Math.min(limit, model.contextLength());
  }

  private static void ppo(MemoryPlan.Builder plan, PipelineConfig config, ModelSize model) {
    TuningConfig policy = config.ppo().policy().tuning();
    TuningConfig critic = config.ppo().critic().tuning();
    long answered =
        Math.min(
            model.contextLength(),
            longest(config.data().maxPromptTokens(), model)
                + config.ppo().generation().maxNewTokens());
    int prompts = config.ppo().promptsPerIteration();
    int minibatches = config.ppo().minibatches();
    long minibatch = (prompts + minibatches - 1L) / minibatches;
    String generate = "ppo generate";
    for (String phase : List.of(generate, "ppo" + TRAIN)) {
      plan.base(phase)
          .loaded(phase, "reward", config.reward().tuning())
          .loaded(phase, "reference", config.sft().tuning());
    }
    plan.loaded(generate, "policy", policy)
        .loaded(generate, "critic", critic)
        .generating(generate, "policy", prompts, answered);
    plan.trained(
            "ppo" + TRAIN, "policy", policy, config.ppo().policy().optimizer(), minibatch, answered)
        .trained(
            "ppo" + TRAIN,
            "critic",
            critic,
            config.ppo().critic().optimizer(),
            minibatch,
            answered);
  }
}
