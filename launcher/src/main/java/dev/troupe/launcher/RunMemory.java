package dev.troupe.launcher;

import dev.troupe.actors.pipeline.PipelineConfig;
import dev.troupe.actors.pipeline.RunForecast;
import dev.troupe.models.checkpoint.ModelConfig;
import dev.troupe.models.torch.Device;
import dev.troupe.models.torch.Lanes;
import dev.troupe.rlhf.recipe.TuningConfig;
import java.lang.management.ManagementFactory;
import java.nio.file.Path;
import java.util.List;

/** What each stage of a run claims of the memory, as a {@link MemoryPlan}. */
final class RunMemory {
  private static final String TRAIN = " train";

  /** What a run keeps on the heap. */
  private static final long LIVE = 50L << 20;

  /** The JVM's own code, classes and threads. */
  private static final long CODE = 50L << 20;

  private RunMemory() {}

  /** From the model's config.json, the configuration and the lengths of its data. */
  static MemoryPlan of(RunForecast forecast, Device device) {
    return of(forecast, device, ManagementFactory.getMemoryMXBean().getHeapMemoryUsage().getInit());
  }

  /**
   * @param initialHeap bytes that the heap begins with; a third of it is the young generation,
   *     which is touched as a whole
   */
  static MemoryPlan of(RunForecast forecast, Device device, long initialHeap) {
    PipelineConfig config = forecast.config();
    ModelSize model =
        config.model().isPresent()
            ? new ModelSize(ModelConfig.read(Path.of(config.model().get())))
            : ModelSize.of(config.pretrain().model());
    MemoryPlan.Builder plan =
        new MemoryPlan.Builder(model, config.engine().numerics(), Lanes.on(device));
    for (RunForecast.Stage stage : forecast.stages()) {
      long longest =
          stage.longest().isPresent()
              ? stage.longest().getAsInt()
              : longest(config.data().maxTokens(), model);
      String phase = stage.stage().key() + TRAIN;
      // No step has more samples than there are.
      long samples = Math.min(stage.samplesPerStep(), stage.samples());
      switch (stage.stage()) {
        case PRETRAIN ->
            plan.trained(
                phase,
                "policy",
                config.pretrain().training().tuning(),
                config.pretrain().training().optimizer(),
                samples,
                longest);
        case SFT ->
            plan.base(phase)
                .tokenizer(phase)
                .trained(
                    phase,
                    "policy",
                    config.sft().tuning(),
                    config.sft().optimizer(),
                    samples,
                    longest);
        case REWARD ->
            plan.base(phase)
                .tokenizer(phase)
                .trained(
                    phase,
                    "reward",
                    config.reward().tuning(),
                    config.reward().optimizer(),
                    2 * samples,
                    longest);
        case PPO -> ppo(plan, config, longest);
        case DPO ->
            plan.base(phase)
                .tokenizer(phase)
                .loaded(phase, "reference", config.sft().tuning())
                .trained(
                    phase,
                    "policy",
                    config.dpo().tuning(),
                    config.dpo().optimizer(),
                    2 * samples,
                    longest);
      }
    }
    return plan.build(
        device, Math.min(initialHeap / 3 + LIVE, Runtime.getRuntime().maxMemory()) + CODE);
  }

  private static long longest(int limit, ModelSize model) {
    return limit == 0 ? model.contextLength() : Math.min(limit, model.contextLength());
  }

  private static void ppo(MemoryPlan.Builder plan, PipelineConfig config, long answered) {
    TuningConfig policy = config.ppo().policy().tuning();
    TuningConfig critic = config.ppo().critic().tuning();
    int prompts = config.ppo().promptsPerIteration();
    int minibatches = config.ppo().minibatches();
    long minibatch = (prompts + minibatches - 1L) / minibatches;
    String generate = "ppo generate";
    for (String phase : List.of(generate, "ppo" + TRAIN)) {
      plan.base(phase)
          .tokenizer(phase)
          .loaded(phase, "reward", config.reward().tuning())
          .loaded(phase, "reference", config.sft().tuning());
    }
    plan.loaded(generate, "policy", policy)
        .loaded(generate, "critic", critic)
        .generating(generate, "policy", prompts, answered);
    plan.shadow("ppo" + TRAIN, "policy")
        .trained(
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
