package dev.troupe.actors.pipeline;

import dev.troupe.models.torch.Device;
import dev.troupe.protocol.data.Numerics;
import dev.troupe.rlhf.data.DataConfig;
import dev.troupe.rlhf.limits.Limits;
import dev.troupe.rlhf.quickstart.QuickstartConfig;
import dev.troupe.rlhf.recipe.DpoConfig;
import dev.troupe.rlhf.recipe.PpoConfig;
import dev.troupe.rlhf.recipe.PretrainConfig;
import dev.troupe.rlhf.recipe.RewardModelConfig;
import dev.troupe.rlhf.recipe.SftConfig;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.Set;

/**
 * All that a run is told.
 *
 * @param output the run's directory
 * @param model directory of the base checkpoint; absent when the run pre-trains one
 * @param start what the first stages start from beside the model
 * @param stages in order
 * @param seed of everything random in training
 * @param limits when a run that does not learn fails
 * @param quickstart makes the data and brings the oracle; absent when {@code data} names files
 */
public record PipelineConfig(
    String output,
    Optional<String> model,
    Start start,
    List<Stage> stages,
    long seed,
    Endurance limits,
    Optional<QuickstartConfig> quickstart,
    DataConfig data,
    PretrainConfig pretrain,
    SftConfig sft,
    RewardModelConfig reward,
    PpoConfig ppo,
    DpoConfig dpo,
    Engine engine,
    Dashboard dashboard,
    Cluster cluster,
    Checkpointing checkpoints) {
  /** A part of a run. */
  public enum Stage {
    PRETRAIN,
    SFT,
    REWARD,
    PPO,
    DPO;

    /** As a configuration file spells it. */
    public String key() {
      return name().toLowerCase(Locale.ROOT);
    }
  }

  /**
   * Results of earlier runs, or of other programs, that the first stages start from. Each is the
   * directory of an adapter on the model or of a model of its own.
   *
   * @param policy of the first stage that trains a policy; absent for the model itself
   * @param reward a reward model: what PPO scores by without the stage reward, and what that stage
   *     goes on from; absent for none
   */
  public record Start(Optional<String> policy, Optional<String> reward) {
    public Start {
      new Limits()
          .condition(
              "policy", "empty", policy.filter(String::isBlank).isEmpty(), "a directory, or null")
          .condition(
              "reward", "empty", reward.filter(String::isBlank).isEmpty(), "a directory, or null")
          .verify();
    }
  }

  /**
   * When a run that does not learn fails.
   *
   * @param skippedUpdates of one learner in a row
   */
  public record Endurance(int skippedUpdates) {
    public Endurance {
      new Limits().atLeast("skipped-updates", skippedUpdates, 1).verify();
    }
  }

  /**
   * On what and in what numbers roles compute.
   *
   * @param device a name that {@link Device#of} takes
   * @param rolloutWeights of the merged weights that sample
   */
  public record Engine(String device, Precision precision, RolloutWeights rolloutWeights) {
    public Engine {
      new Limits().condition("device", device, Device.isName(device), Device.NAMES).verify();
    }

    /** What the configuration comes down to on the device. */
    public Numerics numerics() {
      boolean cuda = Device.namesCuda(device) || Device.of(device).isCuda();
      return new Numerics(
          switch (precision) {
            case AUTO -> cuda ? Numerics.Precision.BF16 : Numerics.Precision.FP32;
            case FP32 -> Numerics.Precision.FP32;
            case BF16 -> Numerics.Precision.BF16;
          },
          switch (rolloutWeights) {
            case AUTO -> cuda ? Numerics.RolloutWeights.BF16 : Numerics.RolloutWeights.FP32;
            case FP32 -> Numerics.RolloutWeights.FP32;
            case BF16 -> Numerics.RolloutWeights.BF16;
            case FP16 -> Numerics.RolloutWeights.FP16;
            case INT8 -> Numerics.RolloutWeights.INT8;
          });
    }
  }

  /** Of matrices while training and scoring; AUTO is FP32 on the CPU, BF16 on CUDA. */
  public enum Precision {
    AUTO,
    FP32,
    BF16
  }

  /** Of matrices while sampling; AUTO is FP32 on the CPU, BF16 on CUDA. */
  public enum RolloutWeights {
    AUTO,
    FP32,
    BF16,
    FP16,
    INT8
  }

  /**
   * The run's own web page.
   *
   * @param port 0 for any free one
   */
  public record Dashboard(boolean enabled, String host, int port) {
    public Dashboard {
      new Limits().within("port", port, 0, 65535).verify();
    }
  }

  /**
   * What a run keeps to go on from. It always writes a checkpoint when it is stopped.
   *
   * @param everySteps steps of a stage from one checkpoint to the next; 0 for none but at a stop
   * @param keep checkpoints of a stage that are kept, the newest ones
   */
  public record Checkpointing(int everySteps, int keep) {
    public Checkpointing {
      new Limits().atLeast("every-steps", everySteps, 0).atLeast("keep", keep, 1).verify();
    }
  }

  /**
   * Where roles live when several JVMs play; alone, one JVM plays all.
   *
   * @param policy node role that the policy is placed on
   * @param critic the same for the critic
   * @param reward the same for the reward model
   * @param reference the same for the reference
   * @param joinTimeoutSeconds how long a run waits for the nodes that it needs
   * @param requestTimeoutSeconds longest time of one request to a role; then the run fails and
   *     names it
   */
  public record Cluster(
      String policy,
      String critic,
      String reward,
      String reference,
      int joinTimeoutSeconds,
      int requestTimeoutSeconds) {
    public Cluster {
      new Limits()
          .atLeast("join-timeout-seconds", joinTimeoutSeconds, 1)
          .atLeast("request-timeout-seconds", requestTimeoutSeconds, 1)
          .verify();
    }

    /** Node role by role. */
    public Map<String, String> placement() {
      return Map.of("policy", policy, "critic", critic, "reward", reward, "reference", reference);
    }
  }

  public PipelineConfig {
    stages = List.copyOf(stages);
    List<String> names = stages.stream().map(Stage::key).toList();
    new Limits()
        .condition("output", "empty", !output.isBlank(), "a directory")
        .condition(
            "model",
            "empty",
            model.filter(String::isBlank).isEmpty(),
            "a checkpoint directory, or null where the first stage is pretrain")
        .condition(
            "stages", "empty", !stages.isEmpty(), "one or more of pretrain, sft, reward, ppo, dpo")
        .condition("stages", names, Set.copyOf(stages).size() == stages.size(), "each stage once")
        .condition(
            "stages",
            names,
            !stages.contains(Stage.PPO)
                || stages.contains(Stage.REWARD)
                || start.reward().isPresent(),
            "ppo with reward before it, or with a reward model named as start.reward")
        .condition(
            "stages",
            names,
            !stages.contains(Stage.PPO) || stages.indexOf(Stage.REWARD) < stages.indexOf(Stage.PPO),
            "reward before ppo")
        .condition(
            "start",
            "given",
            !stages.contains(Stage.PRETRAIN)
                || (start.policy().isEmpty() && start.reward().isEmpty()),
            "none with the stage pretrain, whose new model nothing can have been made from",
            "stages")
        .condition(
            "stages", names, stages.indexOf(Stage.PRETRAIN) < 1, "pretrain as the first stage")
        .condition(
            "model",
            "null",
            model.isPresent() || stages.contains(Stage.PRETRAIN),
            "a checkpoint directory, unless the first stage is pretrain",
            "stages")
        .verify();
  }
}
