package dev.troupe.launcher.bench;

import dev.troupe.engine.HybridEngines;
import dev.troupe.models.decoder.BaseModel;
import dev.troupe.models.torch.Lanes;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;

/**
 * What is demanded of training: steps of 8 texts of 256 tokens, LoRA of rank 8 on attention, the
 * loss on the second half of each.
 */
record TrainingDemands(Path model, Lanes lanes, int rounds) {
  private static final TrainBench STEP = new TrainBench(8, 256);

  List<Measurement> measure() {
    List<Measurement> all = new ArrayList<>();
    try (Lanes one = new Lanes(1)) {
      all.add(overFloor(one).demanded(Demand.atMost(1.35)));
      all.add(overFloor(lanes).demanded(Demand.atMost(1.3)));
      all.add(overPlain(one).demanded(Demand.atLeast(1.15)));
    }
    all.add(mlp().demanded(Demand.atMost(1.15)));
    return all;
  }

  private Measurement overFloor(Lanes where) {
    List<Double> times = new ArrayList<>();
    try (HybridEngines engines = new HybridEngines(where);
        TrainSteps steps =
            new TrainSteps(engines, model, STEP, TrainSteps.ATTENTION, TrainSteps.USUAL)) {
      steps.step();
      for (int i = 0; i < rounds; i++) {
        double floor = STEP.stepOperations(model) / 1e9 / Limits.gemm(where, 1).median();
        times.add(Turns.seconds(steps::step) / floor);
      }
    }
    return Measurement.of(
        "training step over its floor", Map.of("lanes", where.count()), "times", times);
  }

  private Measurement overPlain(Lanes one) {
    try (HybridEngines engines = new HybridEngines(one);
        TrainSteps kernels =
            new TrainSteps(engines, model, STEP, TrainSteps.ATTENTION, TrainSteps.USUAL);
        BaseModel base = BaseModel.load(model);
        PlainStep plain = new PlainStep(base, STEP, one)) {
      return Measurement.of(
          "training step, kernels against one operation at a time",
          Map.of("lanes", 1),
          "times",
          Turns.ratios(rounds, plain::step, kernels::step));
    }
  }

  private Measurement mlp() {
    try (HybridEngines engines = new HybridEngines(lanes);
        TrainSteps all =
            new TrainSteps(engines, model, STEP, TrainSteps.EVERYWHERE, TrainSteps.USUAL);
        TrainSteps attention =
            new TrainSteps(engines, model, STEP, TrainSteps.ATTENTION, TrainSteps.USUAL)) {
      return Measurement.of(
          "training step, LoRA on the MLP too",
          Map.of(),
          "times",
          Turns.ratios(rounds, all::step, attention::step));
    }
  }
}
