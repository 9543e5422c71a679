package dev.troupe.launcher;

import dev.troupe.actors.cluster.Ensemble;
import dev.troupe.actors.pipeline.Pipeline;
import dev.troupe.actors.pipeline.RunRequest;
import dev.troupe.configuration.PipelineConfigurations;
import dev.troupe.launcher.bench.CostModel;
import dev.troupe.launcher.bench.Measurement;
import dev.troupe.launcher.bench.SimulatedEngines;
import dev.troupe.rlhf.recipe.RolloutsConfig;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * What sampling beside scoring and learning is worth: whole iterations of PPO by the pipeline that
 * users run, on engines that wait in place of computing, with answers of which a few are much
 * longer than most. The bound is that of the resources: the longer of sampling and learning, each
 * always at work.
 *
 * @param learners as how many machines for each worker those learn and score who do
 */
record RolloutsBench(int workers, double learners, double speed, SimulatedEngines.Lengths lengths) {
  private static final int PROMPTS_PER_WORKER = 16;
  private static final int PROMPT_TOKENS = 16;
  private static final int NEW_TOKENS = 224;

  /** First rounds that warm up. */
  private static final int FIRST = 2;

  private static final String ROLLOUT = "rollout-";

  /** The end of an iteration, and what all engines had done by then. */
  private record Mark(long nanos, Map<String, Double> busy) {
    private double sampling() {
      return busy.entrySet().stream()
          .filter(role -> role.getKey().startsWith(ROLLOUT))
          .mapToDouble(Map.Entry::getValue)
          .sum();
    }

    private double learning() {
      return busy.entrySet().stream()
          .filter(role -> !role.getKey().startsWith(ROLLOUT))
          .mapToDouble(Map.Entry::getValue)
          .max()
          .orElse(0);
    }
  }

  /**
   * Seconds of an iteration, and its share of the bound.
   *
   * @param rounds that are measured, behind those that warm up and before the last ones, while
   *     whose learning nothing is left to sample
   */
  List<Measurement> run(RolloutsConfig way, Path tokenizer, Path scratch, int rounds)
      throws IOException {
    int iterations = FIRST + rounds + way.staleness() + 1;
    Path conf =
        new SimulatedPpo(iterations, workers * PROMPTS_PER_WORKER, PROMPT_TOKENS, NEW_TOKENS)
            .write(
                tokenizer,
                scratch,
                "rollouts { overlap = "
                    + way.overlap()
                    + ", staleness = "
                    + way.staleness()
                    + " }");
    var loaded = PipelineConfigurations.loader().load(conf, List.of());
    SimulatedEngines engines =
        new SimulatedEngines(new CostModel(workers, speed, learners, 1_000_000), lengths);
    List<Mark> marks = new ArrayList<>();
    Pipeline.start(
            RunRequest.of(loaded.value(), loaded.text())
                .listener(
                    (stage, step, total, metrics) -> {
                      if (stage.equals("ppo")) {
                        marks.add(new Mark(System.nanoTime(), engines.busySeconds()));
                      }
                    })
                .on(Ensemble.local(engines, workers)))
        .result()
        .join();
    return figures(way, marks.subList(FIRST - 1, FIRST + rounds));
  }

  private List<Measurement> figures(RolloutsConfig way, List<Mark> marks) {
    Map<String, Object> setting = new LinkedHashMap<>();
    setting.put("workers", workers);
    setting.put("overlap", way.overlap());
    setting.put("staleness", way.staleness());
    List<Double> seconds = new ArrayList<>();
    for (int i = 1; i < marks.size(); i++) {
      seconds.add((marks.get(i).nanos() - marks.get(i - 1).nanos()) / 1e9);
    }
    Mark first = marks.get(0);
    Mark last = marks.get(marks.size() - 1);
    int rounds = marks.size() - 1;
    double took = (last.nanos() - first.nanos()) / 1e9 / rounds;
    double sampling = (last.sampling() - first.sampling()) / workers / rounds;
    double learning = (last.learning() - first.learning()) / rounds;
    double bound = Math.max(sampling, learning);
    return List.of(
        Measurement.of("rollouts, iteration", setting, "s", seconds),
        Measurement.of("rollouts, mean of the iterations", setting, "s", List.of(took)),
        Measurement.of("rollouts, sampling of an iteration", setting, "s", List.of(sampling)),
        Measurement.of("rollouts, learning of an iteration", setting, "s", List.of(learning)),
        Measurement.of("rollouts, resource bound over time", setting, "", List.of(bound / took)));
  }
}
