package dev.troupe.actors.pipeline;

import dev.troupe.actors.role.Exchanging;
import dev.troupe.models.torch.Device;
import dev.troupe.protocol.data.Numerics;
import dev.troupe.protocol.data.Quantisation;
import dev.troupe.protocol.data.Storage;
import dev.troupe.rlhf.data.DataConfig;
import dev.troupe.rlhf.limits.Limits;
import dev.troupe.rlhf.quickstart.QuickstartConfig;
import dev.troupe.rlhf.recipe.RolloutsConfig;
import dev.troupe.rlhf.stage.ConfiguredStage;
import dev.troupe.rlhf.stage.NewModel;
import dev.troupe.rlhf.stage.Part;
import dev.troupe.rlhf.stage.Sections;
import dev.troupe.rlhf.stage.Stage;
import dev.troupe.rlhf.stage.Stages;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;
import java.util.function.Function;
import java.util.stream.Collectors;

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
 * @param sections of the stages; in a file each is a key of its own
 * @param rollouts how stages that learn from their own answers sample beside learning
 */
public record PipelineConfig(
    String output,
    Optional<String> model,
    Start start,
    List<Stage<?>> stages,
    long seed,
    Endurance limits,
    Optional<QuickstartConfig> quickstart,
    DataConfig data,
    Sections sections,
    Engine engine,
    RolloutsConfig rollouts,
    Dashboard dashboard,
    Cluster cluster,
    Checkpointing checkpoints) {
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
   * @param rolloutWeights of the merged weights that sample, or of the base, LoRA beside it
   * @param kernels whose operators sample, and train and score where the library has any for that
   * @param cache of keys and values while sampling
   * @param onPolicy how a policy's log-probabilities are computed that are compared with sampled
   *     ones
   * @param strict when log-probabilities of sampled answers are computed again as training does
   * @param base how the frozen base's layers are held
   */
  public record Engine(
      String device,
      Precision precision,
      RolloutWeights rolloutWeights,
      Kernels kernels,
      Cache cache,
      OnPolicy onPolicy,
      Strict strict,
      FrozenBase base) {
    public Engine {
      boolean cuda = Device.namesCuda(device);
      new Limits()
          .condition("device", device, Device.isName(device), Device.NAMES)
          .condition(
              "kernels",
              "native",
              !cuda || kernels != Kernels.NATIVE,
              "auto or torch with a CUDA device, as Troupe's library of operators is for the CPU",
              "device")
          .condition(
              "cache",
              "bf16",
              cache != Cache.BF16 || (!cuda && kernels != Kernels.TORCH),
              "auto or fp32 with a CUDA device or torch's operators, as Troupe's library of"
                  + " operators alone reads keys and values in bf16",
              "device",
              "kernels")
          .condition(
              "rollout-weights",
              "int8",
              !cuda || rolloutWeights != RolloutWeights.INT8,
              "auto, bf16, fp16 or fp32 with a CUDA device, as int8 products are for the CPU",
              "device")
          .condition(
              "rollout-weights",
              rolloutWeights.name().toLowerCase(Locale.ROOT),
              !rolloutWeights.isOfBaseAlone()
                  || rolloutWeights.name().equals(base.storage().name()),
              "auto, fp32, bf16, fp16 or int8 unless base.storage is the same, as weights of four bits"
                  + " are those of the base, LoRA beside them",
              "base.storage")
          .condition(
              "rollout-weights",
              rolloutWeights.name().toLowerCase(Locale.ROOT),
              !rolloutWeights.isOfBaseAlone() || (!cuda && kernels != Kernels.TORCH),
              "auto, bf16, fp16 or fp32 with a CUDA device or torch's operators, as Troupe's library of"
                  + " operators alone multiplies weights of four bits",
              "device",
              "kernels")
          .condition(
              "on-policy",
              "exact",
              onPolicy != OnPolicy.EXACT || (!cuda && kernels != Kernels.TORCH),
              "usual with a CUDA device or torch's operators, as Troupe's library of operators alone"
                  + " comes to the same bits for any number of tokens",
              "device",
              "kernels")
          .condition(
              "on-policy",
              "exact",
              onPolicy != OnPolicy.EXACT || cuda || isOneOf(precision, rolloutWeights),
              "usual where sampling and training compute in other numbers; precision and"
                  + " rollout-weights must both be fp32 or both bf16, as what has fewer digits is"
                  + " not what is trained",
              "precision",
              "rollout-weights")
          .condition(
              "strict",
              "always",
              strict != Strict.ALWAYS || onPolicy != OnPolicy.EXACT,
              "auto or never where on-policy is exact, whose log-probabilities are those of training"
                  + " already",
              "on-policy")
          .condition(
              "strict",
              "always",
              strict != Strict.ALWAYS || isExact(precision, rolloutWeights),
              "auto or never where sampling and training compute in other numbers: the importance weights"
                  + " need what was sampled by",
              "precision",
              "rollout-weights")
          .verify();
    }

    /** As they come to on a CPU. */
    private static boolean isOneOf(Precision precision, RolloutWeights rolloutWeights) {
      return precision == Precision.BF16
          ? rolloutWeights == RolloutWeights.BF16
          : isExact(precision, rolloutWeights);
    }

    private static boolean isExact(Precision precision, RolloutWeights rolloutWeights) {
      return precision != Precision.BF16
          && (rolloutWeights == RolloutWeights.AUTO || rolloutWeights == RolloutWeights.FP32);
    }

    /**
     * What the configuration comes down to on the device.
     *
     * @throws PipelineException when the device is {@code auto} and comes to one that they are not
     *     for
     */
    public Numerics numerics() {
      return numerics(Device.namesCuda(device) || Device.of(device).isCuda());
    }

    Numerics numerics(boolean cuda) {
      if (cuda) {
        String found = "engine.device is " + device + ", which is a CUDA device here, and ";
        if (kernels == Kernels.NATIVE) {
          throw new PipelineException(
              found
                  + "engine.kernels (--kernels) is native: Troupe's library of operators is for the"
                  + " CPU. Let it be auto or torch, or engine.device (--device) be cpu.");
        }
        if (cache == Cache.BF16) {
          throw new PipelineException(
              found
                  + "engine.cache is bf16, which Troupe's library of operators for the CPU alone"
                  + " reads. Let it be auto or fp32, or engine.device be cpu.");
        }
        if (onPolicy == OnPolicy.EXACT) {
          throw new PipelineException(
              found
                  + "engine.on-policy is exact, which Troupe's library of operators for the CPU alone"
                  + " is. Let it be usual, or engine.device be cpu.");
        }
        if (rolloutWeights == RolloutWeights.INT8 || rolloutWeights.isOfBaseAlone()) {
          throw new PipelineException(
              found
                  + "engine.rollout-weights (--weights) is "
                  + rolloutWeights.name().toLowerCase(Locale.ROOT)
                  + ", whose products are for the CPU. Let"
                  + " it be auto, bf16, fp16 or fp32, or engine.device (--device) be cpu.");
        }
      }
      Numerics chosen = chosen(cuda);
      if (strict == Strict.ALWAYS && !chosen.samplesAsItTrains()) {
        throw new PipelineException(
            "engine.strict is always, and on this device engine.precision comes to "
                + chosen.precision()
                + " and engine.rollout-weights to "
                + chosen.rollouts()
                + ". Let both be fp32, or engine.strict be auto.");
      }
      return chosen;
    }

    private Numerics chosen(boolean cuda) {
      return new Numerics(
          switch (precision) {
            case AUTO -> cuda ? Storage.BF16 : Storage.FP32;
            case FP32 -> Storage.FP32;
            case BF16 -> Storage.BF16;
          },
          switch (rolloutWeights) {
            case AUTO -> cuda ? Storage.BF16 : Storage.FP32;
            case FP32 -> Storage.FP32;
            case BF16 -> Storage.BF16;
            case FP16 -> Storage.FP16;
            case INT8 -> Storage.INT8;
            case NF4 -> Storage.NF4;
            case FP4 -> Storage.FP4;
          },
          switch (kernels) {
            case AUTO -> Numerics.Kernels.AUTO;
            case NATIVE -> Numerics.Kernels.NATIVE;
            case TORCH -> Numerics.Kernels.TORCH;
          },
          switch (cache) {
            case AUTO -> Numerics.Cache.AUTO;
            case FP32 -> Numerics.Cache.FP32;
            case BF16 -> Numerics.Cache.BF16;
          },
          switch (strict) {
            case AUTO -> Numerics.Strict.AUTO;
            case ALWAYS -> Numerics.Strict.ALWAYS;
            case NEVER -> Numerics.Strict.NEVER;
          },
          onPolicy == OnPolicy.EXACT,
          base.quantisation());
    }
  }

  /**
   * How the linear layers of a frozen base are held.
   *
   * @param blockSize numbers that share a scale
   * @param doubleQuantisation whether scales are held in eight bits
   */
  public record FrozenBase(BaseStorage storage, int blockSize, boolean doubleQuantisation) {
    /** In the numbers of products. */
    public static final FrozenBase USUAL = new FrozenBase(BaseStorage.AUTO, 64, true);

    public FrozenBase {
      new Limits()
          .condition(
              "block-size",
              blockSize,
              Quantisation.isBlock(blockSize),
              "a power of two from "
                  + Quantisation.LEAST_BLOCK
                  + " to "
                  + Quantisation.LARGEST_BLOCK)
          .verify();
    }

    /** The same in other numbers. */
    public FrozenBase holding(BaseStorage other) {
      return new FrozenBase(other, blockSize, doubleQuantisation);
    }

    Optional<Quantisation> quantisation() {
      return switch (storage) {
        case AUTO -> Optional.empty();
        case INT8 -> Optional.of(of(Storage.INT8));
        case NF4 -> Optional.of(of(Storage.NF4));
        case FP4 -> Optional.of(of(Storage.FP4));
      };
    }

    private Quantisation of(Storage chosen) {
      return new Quantisation(chosen, blockSize, doubleQuantisation);
    }
  }

  /** Of the linear layers of a frozen base; AUTO is what they are multiplied in. */
  public enum BaseStorage {
    AUTO,
    INT8,
    NF4,
    FP4
  }

  /** Of matrices while training and scoring; AUTO is FP32 on the CPU, BF16 on CUDA. */
  public enum Precision {
    AUTO,
    FP32,
    BF16
  }

  /** When what is learned is kept from depending on how many answers are sampled at once. */
  public enum Strict {
    AUTO,
    ALWAYS,
    NEVER
  }

  /** Of matrices while sampling; AUTO is FP32 on the CPU, BF16 on CUDA. */
  public enum RolloutWeights {
    AUTO,
    FP32,
    BF16,
    FP16,
    INT8,
    /** As the frozen base is held, LoRA beside it. */
    NF4,
    /** The same. */
    FP4;

    /** Whether nothing is merged with the base. */
    boolean isOfBaseAlone() {
      return this == NF4 || this == FP4;
    }
  }

  /** Of a decoding step; AUTO is NATIVE where the library is there and fits. */
  public enum Kernels {
    AUTO,
    NATIVE,
    TORCH
  }

  /** Of keys and values while sampling; AUTO is BF16 with weights of no more digits. */
  public enum Cache {
    AUTO,
    FP32,
    BF16
  }

  /** How log-probabilities of a policy are computed that are compared with sampled ones. */
  public enum OnPolicy {
    /** By the operators of training. */
    USUAL,
    /** By those that sample, to the same bits. */
    EXACT
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
   * Where one role lives.
   *
   * @param node role of nodes that it is placed on
   * @param replicas of the role, each on a node of its own, that share its work
   */
  public record Home(String node, int replicas) {
    public Home {
      new Limits()
          .condition("node", "empty", !node.isBlank(), "a node role")
          .atLeast("replicas", replicas, 1)
          .verify();
    }
  }

  /**
   * Where roles live when several JVMs play; alone, one JVM plays all.
   *
   * @param policy where the policy is placed
   * @param critic the same for the critic
   * @param reward the same for the reward model
   * @param reference the same for the reference
   * @param exchange what carries gradients between replicas of a role
   * @param reduction in what order they are added up
   * @param sharding what of a trained role's state each of its replicas holds
   * @param joinTimeoutSeconds how long a run waits for the nodes that it needs
   * @param requestTimeoutSeconds longest time of one request to a role; then the run fails and
   *     names it
   * @param silenceSeconds how long a role's work may make no progress; 0 for no limit
   */
  public record Cluster(
      Home policy,
      Home critic,
      Home reward,
      Home reference,
      Exchange exchange,
      Reduction reduction,
      Sharding sharding,
      int joinTimeoutSeconds,
      int requestTimeoutSeconds,
      int silenceSeconds) {
    public Cluster {
      new Limits()
          .condition(
              "reduction",
              "fast",
              reduction != Reduction.FAST || exchange != Exchange.MESSAGES,
              "ordered where exchange is messages, which are always added up in order",
              "exchange")
          .condition(
              "sharding",
              "zero-2",
              sharding == Sharding.NONE || reduction != Reduction.FAST,
              "none where reduction is fast, as shards are added up in order",
              "reduction")
          .atLeast("join-timeout-seconds", joinTimeoutSeconds, 1)
          .atLeast("request-timeout-seconds", requestTimeoutSeconds, 1)
          .atLeast("silence-seconds", silenceSeconds, 0)
          .verify();
    }

    /** Node role by role. */
    public Map<String, String> placement() {
      return of(Home::node);
    }

    /** How replicas exchange gradients. */
    public Exchanging exchanging() {
      return new Exchanging(
          switch (exchange) {
            case AUTO -> Exchanging.By.AUTO;
            case GLOO -> Exchanging.By.GLOO;
            case MESSAGES -> Exchanging.By.MESSAGES;
          },
          reduction == Reduction.FAST,
          sharding == Sharding.ZERO_2);
    }

    /** How many replicas by role. */
    public Map<String, Integer> replicas() {
      return of(Home::replicas);
    }

    private <T> Map<String, T> of(Function<Home, T> part) {
      return Map.of(
          "policy",
          part.apply(policy),
          "critic",
          part.apply(critic),
          "reward",
          part.apply(reward),
          "reference",
          part.apply(reference));
    }
  }

  /** What carries gradients between replicas; AUTO is GLOO where every replica's node can. */
  public enum Exchange {
    AUTO,
    GLOO,
    MESSAGES
  }

  /** In what order gradients are added up: that of a tree over micro-batches, or Gloo's own. */
  public enum Reduction {
    ORDERED,
    FAST
  }

  /** What of a role's trained state each of its replicas holds: all, or ZeRO's stage 2. */
  public enum Sharding {
    NONE,
    ZERO_2
  }

  public PipelineConfig {
    stages = List.copyOf(stages);
    List<String> names = stages.stream().map(Stage::name).toList();
    Limits limit = new Limits();
    limit
        .condition("output", "empty", !output.isBlank(), "a directory")
        .condition(
            "model",
            "empty",
            model.filter(String::isBlank).isEmpty(),
            "a checkpoint directory, or null where the first stage is " + givers(Part.MODEL))
        .condition(
            "stages",
            "empty",
            !stages.isEmpty(),
            "one or more of " + String.join(", ", Stages.names()))
        .condition("stages", names, Set.copyOf(stages).size() == stages.size(), "each stage once");
    checkOnPolicy(limit, stages, sections, engine);
    checkRollouts(limit, stages, sections, engine, rollouts);
    checkBase(limit, stages, sections, engine);
    Optional<Stage<?>> making =
        stages.stream().filter(stage -> stage.gives() == Part.MODEL).findFirst();
    checkRewardModel(limit, stages, names, sections, start);
    if (making.isPresent()) {
      limit
          .condition(
              "start",
              "given",
              start.policy().isEmpty() && start.reward().isEmpty(),
              "none with the stage "
                  + making.get().name()
                  + ", whose new model nothing can have been made from",
              "stages")
          .condition(
              "stages",
              names,
              stages.indexOf(making.get()) == 0,
              making.get().name() + " as the first stage");
    }
    limit
        .condition(
            "model",
            "null",
            model.isPresent() || making.isPresent(),
            "a checkpoint directory, unless the first stage is " + givers(Part.MODEL),
            "stages")
        .verify();
  }

  /** A policy that drops inputs of its adapter is not the one that has sampled. */
  private static void checkOnPolicy(
      Limits limit, List<Stage<?>> stages, Sections sections, Engine engine) {
    for (Stage<?> stage : stages) {
      limit.condition(
          "engine.on-policy",
          "exact",
          engine.onPolicy() != OnPolicy.EXACT
              || !ConfiguredStage.of(stage, sections).dropsOnPolicy(),
          "usual where the policy of "
              + stage.name()
              + " learns with dropout, as what drops inputs is not what has sampled",
          stage.name());
    }
  }

  /** What is held in blocks is frozen. */
  private static void checkBase(
      Limits limit, List<Stage<?>> stages, Sections sections, Engine engine) {
    BaseStorage storage = engine.base().storage();
    for (Stage<?> stage : stages) {
      limit.condition(
          "engine.base.storage",
          storage.name().toLowerCase(Locale.ROOT),
          storage == BaseStorage.AUTO || !ConfiguredStage.of(stage, sections).trainsMatrices(),
          "auto where "
              + stage.name()
              + " trains the layers' matrices (tuning.type full) or makes them anew (loha, lokr)",
          stage.name());
    }
  }

  private static void checkRollouts(
      Limits limit,
      List<Stage<?>> stages,
      Sections sections,
      Engine engine,
      RolloutsConfig rollouts) {
    for (Stage<?> stage : stages) {
      ConfiguredStage<?> configured = ConfiguredStage.of(stage, sections);
      limit.condition(
          "engine.on-policy",
          "exact",
          engine.onPolicy() != OnPolicy.EXACT || !rollouts.isStale() || !configured.isOnPolicy(),
          "usual with rollouts.staleness above 0, as what older weights sampled is not what "
              + stage.name()
              + " learns by",
          "rollouts.staleness");
      configured.check(rollouts, limit);
    }
  }

  /** What scores by a reward model needs one. */
  private static void checkRewardModel(
      Limits limit, List<Stage<?>> stages, List<String> names, Sections sections, Start start) {
    int made = stages.size();
    for (int i = stages.size() - 1; i >= 0; i--) {
      made = stages.get(i).gives() == Part.REWARD_MODEL ? i : made;
    }
    String makers = givers(Part.REWARD_MODEL);
    for (int i = 0; i < stages.size(); i++) {
      ConfiguredStage<?> stage = ConfiguredStage.of(stages.get(i), sections);
      if (!stage.needs(Part.REWARD_MODEL)) {
        continue;
      }
      limit
          .condition(
              "stages",
              names,
              made < stages.size() || start.reward().isPresent(),
              stage.name()
                  + " with "
                  + makers
                  + " before it, or with a reward model named as start.reward",
              stage.name())
          .condition(
              "stages",
              names,
              made == stages.size() || made < i,
              makers + " before " + stage.name(),
              stage.name());
    }
  }

  /** The stages that make a part. */
  private static String givers(Part part) {
    return Stages.all().stream()
        .filter(stage -> stage.gives() == part)
        .map(Stage::name)
        .collect(Collectors.joining(" or "));
  }

  /** The stages in order, each with its section. */
  public List<ConfiguredStage<?>> run() {
    return stages.stream().<ConfiguredStage<?>>map(stage -> configured(stage)).toList();
  }

  private <C extends Record> ConfiguredStage<C> configured(Stage<C> stage) {
    return ConfiguredStage.of(stage, sections);
  }

  /** The model that the run makes, if it makes one. */
  public Optional<NewModel> newModel() {
    return run().stream().flatMap(stage -> stage.newModel().stream()).findFirst();
  }

  /**
   * Node role by role, of all roles that the stages play: one that {@code cluster} does not name
   * goes with the policy.
   */
  public Map<String, String> placement() {
    Map<String, String> placement = new TreeMap<>(cluster.placement());
    run().stream()
        .flatMap(stage -> stage.roles().stream())
        .forEach(role -> placement.putIfAbsent(role.name(), cluster.policy().node()));
    return placement;
  }
}
