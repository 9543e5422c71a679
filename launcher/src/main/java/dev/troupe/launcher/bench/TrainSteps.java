package dev.troupe.launcher.bench;

import dev.troupe.engine.HybridEngines;
import dev.troupe.engine.RoleEngine;
import dev.troupe.models.checkpoint.ModelConfig;
import dev.troupe.protocol.data.Head;
import dev.troupe.protocol.data.LearningRateSchedule;
import dev.troupe.protocol.data.Numerics;
import dev.troupe.protocol.data.OptimizerSettings;
import dev.troupe.protocol.data.Output;
import dev.troupe.protocol.data.RoleSpec;
import dev.troupe.protocol.data.Sequence;
import dev.troupe.protocol.data.Storage;
import dev.troupe.protocol.data.TokenIds;
import dev.troupe.protocol.data.Tuning;
import dev.troupe.protocol.data.UpdateResult;
import dev.troupe.rlhf.loss.Averaging;
import dev.troupe.rlhf.loss.SftExample;
import dev.troupe.rlhf.loss.SftObjective;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.Random;
import java.util.Set;

/** A policy with LoRA of rank 8 and the texts of a {@link TrainBench}, ready for its steps. */
final class TrainSteps implements AutoCloseable {
  /** The engine's own choice of micro-batches. */
  static final int USUAL = 0;

  static final List<String> EVERYWHERE = List.of(Tuning.ALL_LINEAR);
  static final List<String> ATTENTION = List.of("q_proj", "k_proj", "v_proj", "o_proj");

  private final RoleEngine engine;
  private final List<SftExample> examples;
  private final List<Sequence> sequences;
  private final SftObjective objective = new SftObjective(Averaging.GLOBAL_TOKEN);

  /**
   * @param targets linear layers with an adapter
   * @param microBatchTokens at once on a lane, or {@link #USUAL}
   */
  TrainSteps(
      HybridEngines engines,
      Path model,
      TrainBench bench,
      List<String> targets,
      int microBatchTokens) {
    this(engines, model, bench, targets, microBatchTokens, Numerics.Kernels.AUTO);
  }

  /** By the operators of one side. */
  TrainSteps(
      HybridEngines engines,
      Path model,
      TrainBench bench,
      List<String> targets,
      int microBatchTokens,
      Numerics.Kernels kernels) {
    this(
        engines,
        model,
        bench,
        targets,
        microBatchTokens,
        new Numerics(bench.precision(), Storage.FP32, kernels));
  }

  /** In other numbers than the bench's. */
  TrainSteps(
      HybridEngines engines,
      Path model,
      TrainBench bench,
      List<String> targets,
      int microBatchTokens,
      Numerics numerics) {
    RoleSpec role = role(model, bench, targets, microBatchTokens).with(numerics);
    engine = engines.open(role);
    examples = examples(bench, ModelConfig.read(model).vocabSize());
    sequences = examples.stream().map(SftExample::sequence).toList();
  }

  UpdateResult step() {
    return engine.update(objective, examples);
  }

  void score() {
    score(sequences);
  }

  void score(List<Sequence> others) {
    engine.evaluate(others, Set.of(Output.LOGPROBS));
  }

  List<Sequence> sequences() {
    return sequences;
  }

  /** Of the frozen weights. */
  long baseBytes() {
    return engine.memoryBytes().getOrDefault("base", 0L);
  }

  static RoleSpec role(Path model, TrainBench bench, List<String> targets, int microBatchTokens) {
    OptimizerSettings adam =
        new OptimizerSettings(
            new LearningRateSchedule(LearningRateSchedule.Shape.CONSTANT, 1e-4, 0, 1000),
            0.9,
            0.999,
            1e-8,
            0,
            1,
            microBatchTokens,
            bench.recompute(),
            false);
    return new RoleSpec(
        "policy",
        model.toString(),
        Optional.empty(),
        new Tuning.Lora(8, 16, targets),
        Head.LANGUAGE_MODEL,
        Optional.of(adam),
        1,
        Optional.empty(),
        1,
        new Numerics(bench.precision(), Storage.FP32));
  }

  static List<SftExample> examples(TrainBench bench, int vocabulary) {
    Random random = new Random(2);
    List<SftExample> examples = new ArrayList<>();
    for (int i = 0; i < bench.batch(); i++) {
      TokenIds text = new TokenIds(random.ints(bench.tokens(), 10, vocabulary).toArray());
      examples.add(new SftExample(Sequence.ofTargets(text, bench.tokens() / 2)));
    }
    return examples;
  }

  @Override
  public void close() {
    engine.close();
  }
}
