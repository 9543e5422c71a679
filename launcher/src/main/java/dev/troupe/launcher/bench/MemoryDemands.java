package dev.troupe.launcher.bench;

import dev.troupe.engine.HybridEngines;
import dev.troupe.models.torch.Handle;
import dev.troupe.models.torch.Lanes;
import dev.troupe.protocol.data.Storage;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;

/**
 * What is demanded of the memory that training takes, by what Linux counts of this process. To be
 * measured first: memory that is freed stays with the process and hides what comes after.
 */
record MemoryDemands(Path model, Lanes lanes, int rounds) {
  private static final TrainBench STEP = new TrainBench(8, 256);

  /** Short, as there are many. */
  private static final TrainBench SHORT_STEP = new TrainBench(2, 64);

  private static final int STEPS_FOR_FAULTS = 5;
  private static final int STEPS_TO_SETTLE = 50;
  private static final int STEPS_FOR_DRIFT = 300;

  List<Measurement> measure() {
    List<Measurement> all = new ArrayList<>();
    try (Lanes one = new Lanes(1)) {
      all.addAll(recompute(one));
    }
    all.addAll(steadiness());
    return all;
  }

  /** All texts at once on one lane, so that activations are what memory goes to. */
  private List<Measurement> recompute(Lanes one) {
    int together = STEP.batch() * STEP.tokens();
    TrainBench sparing = new TrainBench(STEP.batch(), STEP.tokens(), Storage.FP32, true);
    try (HybridEngines engines = new HybridEngines(one);
        TrainSteps keeps = new TrainSteps(engines, model, STEP, TrainSteps.ATTENTION, together);
        TrainSteps recomputes =
            new TrainSteps(engines, model, sparing, TrainSteps.ATTENTION, together)) {
      try (TrainSteps small =
          new TrainSteps(engines, model, new TrainBench(1, 16), TrainSteps.ATTENTION, 0)) {
        small.step();
      }
      ProcessMemory.touchYoungGeneration();
      long before = ProcessMemory.residentBytes();
      double lean = peakOver(before, recomputes);
      double peak = peakOver(before, keeps);
      return List.of(
          figure("recompute, peak memory over that of keeping activations", "times", lean / peak)
              .demanded(Demand.atMost(0.55)),
          Measurement.of(
                  "recompute, time over that of keeping activations",
                  Map.of(),
                  "times",
                  Turns.ratios(rounds, recomputes::step, keeps::step))
              .demanded(Demand.atMost(1.55)));
    }
  }

  /** At least a page, so that a ratio of two exists. */
  private static double peakOver(long before, TrainSteps steps) {
    ProcessMemory.forgetPeak();
    steps.step();
    return Math.max(4096, ProcessMemory.peakBytes() - before);
  }

  private List<Measurement> steadiness() {
    try (HybridEngines engines = new HybridEngines(lanes);
        TrainSteps steps =
            new TrainSteps(engines, model, STEP, TrainSteps.ATTENTION, TrainSteps.USUAL);
        TrainSteps shorter =
            new TrainSteps(engines, model, SHORT_STEP, TrainSteps.ATTENTION, TrainSteps.USUAL)) {
      ProcessMemory.touchYoungGeneration();
      repeat(steps, 2);
      long faults = ProcessMemory.pageFaults();
      repeat(steps, STEPS_FOR_FAULTS);
      double perStep = (ProcessMemory.pageFaults() - faults) / (double) STEPS_FOR_FAULTS;
      repeat(shorter, STEPS_TO_SETTLE);
      double handles = (double) Handle.live();
      long resident = ProcessMemory.residentBytes();
      repeat(shorter, STEPS_FOR_DRIFT);
      double drift = (ProcessMemory.residentBytes() - resident) / 1e6;
      return List.of(
          figure("training, page faults per step", "pages", perStep).demanded(Demand.atMost(1000)),
          figure("training, memory gained in 300 steps", "MB", drift).demanded(Demand.atMost(10)),
          figure("training, native handles gained in 300 steps", "handles", Handle.live() - handles)
              .demanded(Demand.atMost(0)));
    }
  }

  private static void repeat(TrainSteps steps, int times) {
    for (int i = 0; i < times; i++) {
      steps.step();
    }
  }

  private static Measurement figure(String work, String unit, double value) {
    return Measurement.of(work, Map.of(), unit, List.of(value));
  }
}
