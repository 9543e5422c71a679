package dev.troupe.launcher;

import dev.troupe.actors.pipeline.PipelineConfig;
import dev.troupe.actors.pipeline.RunForecast;
import dev.troupe.models.checkpoint.ModelConfig;
import dev.troupe.models.peft.Adapter;
import dev.troupe.models.peft.AdapterConfig;
import dev.troupe.models.torch.Device;
import dev.troupe.models.torch.Lanes;
import dev.troupe.protocol.data.Head;
import dev.troupe.rlhf.recipe.TuningConfig;
import dev.troupe.rlhf.stage.ConfiguredStage;
import dev.troupe.rlhf.stage.Forecast;
import dev.troupe.rlhf.stage.Part;
import dev.troupe.rlhf.stage.RoleUse;
import java.lang.management.ManagementFactory;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.EnumMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;

/** What each stage of a run claims of the memory, as a {@link MemoryPlan}. */
final class RunMemory {
  /** What a run keeps on the heap. */
  private static final long LIVE = 25L << 20;

  /** The JVM's own code, classes, symbols and threads. */
  private static final long CODE = 70L << 20;

  /** Kernels that torch has compiled, with their plans of execution, for each set of them. */
  private static final long KERNELS = 18L << 20;

  /**
   * Sets of kernels of a role: its own, and to sample also those of generation and of its probe.
   */
  private static final int TO_SAMPLE = 3;

  private RunMemory() {}

  /** From the model's config.json, the configuration and the lengths of its data. */
  static MemoryPlan of(RunForecast forecast, Device device) {
    return of(forecast, device, initialHeap());
  }

  /** Of this JVM, as a node has it. */
  static long initialHeap() {
    return ManagementFactory.getMemoryMXBean().getHeapMemoryUsage().getInit();
  }

  /**
   * @param initialHeap bytes that the heap begins with; a third of it is the young generation,
   *     which is touched as a whole
   */
  static MemoryPlan of(RunForecast forecast, Device device, long initialHeap) {
    PipelineConfig config = forecast.config();
    ModelSize model = model(config);
    MemoryPlan.Builder plan =
        new MemoryPlan.Builder(model, config.engine().numerics(), Lanes.on(device));
    Map<Part, TuningConfig> handedOn = named(config);
    for (ConfiguredStage<?> stage : config.run()) {
      Optional<Forecast> forecasted = forecast.stage(stage.name());
      forecasted.ifPresent(
          found ->
              stage(
                  plan,
                  stage,
                  found,
                  longest(found, config, model),
                  Map.copyOf(handedOn),
                  otherBases(config, stage)));
      stage.tuning().ifPresent(tuning -> handedOn.put(stage.gives(), tuning));
    }
    return plan.build(
        device,
        heap(initialHeap)
            + CODE
            + KERNELS * config.run().stream().mapToInt(RunMemory::kernels).max().orElse(0));
  }

  /**
   * A role that is trained in shards (cluster.sharding).
   *
   * @param replicas how many nodes hold a shard each
   * @param node what each of them needs as it trains this role alone
   * @param state bytes of optimiser's state and gradient of the step that each holds
   * @param whole the same of a node that holds all of it
   */
  record Sharded(
      String stage, String role, int replicas, MemoryPlan node, long state, long whole) {}

  /** The roles that are, in the order of the stages. */
  static List<Sharded> sharded(RunForecast forecast, Device device, long initialHeap) {
    PipelineConfig config = forecast.config();
    List<Sharded> sharded = new ArrayList<>();
    if (!config.cluster().exchanging().sharded()) {
      return sharded;
    }
    ModelSize model = model(config);
    for (ConfiguredStage<?> stage : config.run()) {
      Optional<Forecast> found = forecast.stage(stage.name());
      for (RoleUse role : stage.roles()) {
        int replicas = config.cluster().replicas().getOrDefault(role.name(), 1);
        if (replicas > 1 && role.training().isPresent() && found.isPresent()) {
          sharded.add(
              sharded(
                  model, config, stage, role, found.get(), replicas, device, heap(initialHeap)));
        }
      }
    }
    return sharded;
  }

  private static Sharded sharded(
      ModelSize model,
      PipelineConfig config,
      ConfiguredStage<?> stage,
      RoleUse role,
      Forecast forecast,
      int replicas,
      Device device,
      long heap) {
    RoleUse.Training training = role.training().orElseThrow();
    String phase = stage.name() + " train";
    MemoryPlan.Builder plan =
        new MemoryPlan.Builder(model, config.engine().numerics(), Lanes.on(device)).base(phase);
    if (role.answers() > 0) {
      plan.shadow(phase, role.name());
    }
    MemoryPlan node =
        plan.trainedInShards(
                phase,
                role.name(),
                training.tuning(),
                training.optimizer(),
                sequences(training, forecast),
                longest(forecast, config, model),
                replicas)
            .build(device, heap + CODE + KERNELS * (role.answers() > 0 ? TO_SAMPLE : 1));
    long state =
        node.items().stream()
            .filter(item -> item.purpose().equals("optimizer"))
            .mapToLong(MemoryPlan.Item::bytes)
            .sum();
    return new Sharded(
        stage.name(),
        role.name(),
        replicas,
        node,
        state,
        MemoryPlan.stateBytes(model.ownParameters(training.tuning())));
  }

  private static long heap(long initialHeap) {
    return Math.min(initialHeap / 3 + LIVE, Runtime.getRuntime().maxMemory());
  }

  /** Sets of kernels that are there at once: every role compiles its own. */
  private static int kernels(ConfiguredStage<?> stage) {
    return stage.roles().stream().mapToInt(role -> role.answers() > 0 ? TO_SAMPLE : 1).sum();
  }

  /** What {@code start} names is taken to be as large as what goes on from it. */
  private static Map<Part, TuningConfig> named(PipelineConfig config) {
    Map<Part, TuningConfig> named = new EnumMap<>(Part.class);
    for (ConfiguredStage<?> stage : config.run()) {
      for (RoleUse role : stage.roles()) {
        boolean isNamed =
            switch (role.from()) {
              case MODEL -> false;
              case POLICY -> config.start().policy().isPresent();
              case REWARD_MODEL -> config.start().reward().isPresent();
            };
        if (isNamed) {
          role.training().ifPresent(it -> named.putIfAbsent(role.from(), it.tuning()));
        }
      }
    }
    return named;
  }

  /**
   * One phase, or two where roles answer prompts: all roles are there in each.
   *
   * @param handedOn what frozen roles are made of
   * @param bases models beside the run's own, by the role that stands on each
   */
  private static void stage(
      MemoryPlan.Builder plan,
      ConfiguredStage<?> stage,
      Forecast forecast,
      long longest,
      Map<Part, TuningConfig> handedOn,
      Map<String, ModelSize> bases) {
    String generate = stage.name() + " generate";
    String train = stage.name() + " train";
    boolean answers = stage.roles().stream().anyMatch(role -> role.answers() > 0);
    for (String phase : answers ? List.of(generate, train) : List.of(train)) {
      if (stage.newModel().isEmpty()) {
        plan.base(phase).tokenizer(phase);
      }
      bases.forEach((role, other) -> plan.otherBase(phase, role, other));
      for (RoleUse role : stage.roles()) {
        if (role.training().isPresent() && phase.equals(train)) {
          trained(plan, phase, role, role.training().get(), forecast, longest);
        } else {
          Optional.ofNullable(handedOn.get(role.from()))
              .filter(from -> role.training().isEmpty())
              .or(() -> role.training().map(RoleUse.Training::tuning))
              .ifPresent(tuning -> plan.loaded(phase, role.name(), tuning));
        }
        if (role.answers() > 0 && phase.equals(generate)) {
          plan.generating(phase, role.name(), role.answers(), longest);
        }
        if (role.answers() == 0 && role.head() == Head.LANGUAGE_MODEL && stage.isOnPolicy()) {
          plan.scoredExactly(phase, role.name());
        }
      }
    }
  }

  private static void trained(
      MemoryPlan.Builder plan,
      String phase,
      RoleUse role,
      RoleUse.Training training,
      Forecast forecast,
      long longest) {
    if (role.answers() > 0) {
      plan.shadow(phase, role.name());
    }
    plan.trained(
        phase,
        role.name(),
        training.tuning(),
        training.optimizer(),
        sequences(training, forecast),
        longest);
  }

  /** Of one optimiser step: none has more samples than there are. */
  static long sequences(RoleUse.Training training, Forecast forecast) {
    long samples = Math.min(forecast.samplesPerStep(), forecast.samples());
    return training.sequences() * samples / forecast.samplesPerStep();
  }

  /**
   * A whole model that {@code start} or the stage itself names is loaded beside the run's own, once
   * for all roles that stand on it; an adapter of the output matrix has a copy of the model for
   * itself, and one that brings whole modules is counted as if it had.
   *
   * @return by the first role that stands on it
   */
  static Map<String, ModelSize> otherBases(PipelineConfig config, ConfiguredStage<?> stage) {
    Map<String, ModelSize> others = new TreeMap<>();
    Set<Path> counted = new HashSet<>();
    config.model().map(Path::of).ifPresent(counted::add);
    for (RoleUse role : stage.roles()) {
      Optional<Path> start =
          switch (role.from()) {
            case MODEL -> Optional.empty();
            case POLICY -> config.start().policy().map(Path::of);
            case REWARD_MODEL -> config.start().reward().map(Path::of);
          };
      start
          .filter(counted::add)
          .flatMap(path -> base(path, config.model()))
          .ifPresent(base -> others.put(role.name(), new ModelSize(base)));
    }
    stage
        .models()
        .forEach(
            (key, further) -> {
              Path start = Path.of(further.model());
              Optional<Path> adapter = further.adapter().map(Path::of);
              Optional<ModelConfig> base =
                  counted.add(start)
                      ? Optional.of(ModelConfig.read(start))
                      : adapter
                          .filter(counted::add)
                          .flatMap(path -> base(path, Optional.of(further.model())));
              base.ifPresent(
                  found ->
                      others.put(key.substring(key.lastIndexOf('.') + 1), new ModelSize(found)));
            });
    return others;
  }

  private static Optional<ModelConfig> base(Path start, Optional<String> model) {
    if (!Adapter.isIn(start)) {
      return Optional.of(ModelConfig.read(start));
    }
    return model
        .map(directory -> ModelConfig.read(Path.of(directory)))
        .filter(
            config -> {
              AdapterConfig adapter = AdapterConfig.read(start, config);
              return !adapter.saved().isEmpty() || adapter.headPair(config).isPresent();
            });
  }

  /** The model that roles stand on. */
  static ModelSize model(PipelineConfig config) {
    return config.model().isPresent()
        ? new ModelSize(ModelConfig.read(Path.of(config.model().get())))
        : ModelSize.of(config.newModel().orElseThrow().shape());
  }

  /** Tokens that a text of a stage may have. */
  static long longest(Forecast forecast, PipelineConfig config, ModelSize model) {
    int limit = config.data().maxTokens();
    return forecast.longest().isPresent()
        ? forecast.longest().getAsInt()
        : limit == 0 ? model.contextLength() : Math.min(limit, model.contextLength());
  }
}
