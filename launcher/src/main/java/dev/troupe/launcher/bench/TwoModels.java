package dev.troupe.launcher.bench;

import dev.troupe.engine.HybridEngines;
import dev.troupe.models.torch.Lanes;
import dev.troupe.protocol.data.UpdateResult;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.stream.IntStream;

/** Two models that are trained in two threads, a core each, against one after the other. */
record TwoModels(Path model, int rounds) {
  private static final int STEPS = 6;
  private static final TrainBench ONE = new TrainBench(2, 96);

  /** Of other texts, so that numbers that come from the other model are seen. */
  private static final TrainBench OTHER = new TrainBench(2, 100);

  List<Measurement> measure() {
    List<Double> speedUps = new ArrayList<>();
    double differing = 0;
    try (Lanes first = new Lanes(1);
        Lanes second = new Lanes(1)) {
      for (int i = 0; i <= rounds; i++) {
        try (Pair alone = new Pair(first, second);
            Pair together = new Pair(first, second)) {
          double sequential =
              Turns.seconds(
                  () -> {
                    alone.one.run();
                    alone.other.run();
                  });
          double parallel =
              Turns.seconds(
                  () -> {
                    CompletableFuture<Void> behind = CompletableFuture.runAsync(together.other);
                    together.one.run();
                    behind.join();
                  });
          differing += alone.one.differing(together.one) + alone.other.differing(together.other);
          if (i > 0) {
            speedUps.add(sequential / parallel);
          }
        }
      }
    }
    return List.of(
        Measurement.of("two models, at once against in turn", Map.of(), "times", speedUps)
            .demanded(Demand.atLeast(1.6)),
        Measurement.of(
                "two models, steps whose numbers are not the same bits",
                Map.of(),
                "steps",
                List.of(differing))
            .demanded(Demand.atMost(0)));
  }

  /** Two fresh models. */
  private final class Pair implements AutoCloseable {
    final Learner one;
    final Learner other;

    Pair(Lanes first, Lanes second) {
      one = new Learner(first, ONE);
      other = new Learner(second, OTHER);
    }

    @Override
    public void close() {
      one.close();
      other.close();
    }
  }

  private final class Learner implements Runnable, AutoCloseable {
    private final HybridEngines engines;
    private final TrainSteps steps;
    private final List<UpdateResult> results = new ArrayList<>();

    Learner(Lanes lanes, TrainBench bench) {
      engines = new HybridEngines(lanes);
      steps = new TrainSteps(engines, model, bench, TrainSteps.ATTENTION, TrainSteps.USUAL);
    }

    @Override
    public void run() {
      for (int i = 0; i < STEPS; i++) {
        results.add(steps.step());
      }
    }

    /** Steps whose loss or gradient is not the other's, bit for bit. */
    double differing(Learner other) {
      return IntStream.range(0, STEPS)
          .filter(i -> !results.get(i).equals(other.results.get(i)))
          .count();
    }

    @Override
    public void close() {
      steps.close();
      engines.close();
    }
  }
}
