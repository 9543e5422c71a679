package dev.troupe.launcher;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.typesafe.config.ConfigFactory;
import dev.troupe.actors.cluster.Ensemble;
import dev.troupe.actors.cluster.WireMeter;
import dev.troupe.actors.cluster.WireMeter.Traffic;
import dev.troupe.actors.pipeline.Pipeline;
import dev.troupe.actors.pipeline.RunRequest;
import dev.troupe.actors.pipeline.RunResult;
import dev.troupe.actors.trust.Authority;
import dev.troupe.configuration.PipelineConfigurations;
import dev.troupe.launcher.bench.CostModel;
import dev.troupe.launcher.bench.Measurement;
import dev.troupe.launcher.bench.SimulatedEngines;
import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.lang.management.ThreadInfo;
import java.lang.management.ThreadMXBean;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;

/**
 * What the actors, the messages and the recipe cost beside the work of the engines: whole
 * iterations of PPO by the pipeline that users run, on engines that wait in place of computing.
 *
 * @param jvms of the rollout workers, beside one for the other roles; 0 for all in this JVM,
 *     without sockets
 */
record OrchestrationBench(int workers, int jvms, double speed, int parameters) {
  private static final int PROMPTS_PER_WORKER = 16;
  private static final int PROMPT_TOKENS = 64;
  private static final int NEW_TOKENS = 64;
  private static final String LOOPBACK = "127.0.0.1";
  private static final String OTHERS = "others";
  private static final ObjectMapper JSON = OutputJson.mapper();

  /** The state of this JVM at the end of an iteration. */
  private record Mark(long nanos, long cpuNanos, Map<String, Traffic> traffic) {
    static Mark now() {
      return new Mark(System.nanoTime(), coordinatorCpuNanos(), WireMeter.totals());
    }
  }

  /** Figures per iteration; the first one warms up. */
  List<Measurement> run(Path tokenizer, Path scratch, int rounds) throws IOException {
    System.setProperty(WireMeter.SETTING, WireMeter.class.getName());
    ConfigFactory.invalidateCaches();
    Path conf =
        new SimulatedPpo(rounds + 1, prompts(), PROMPT_TOKENS, NEW_TOKENS)
            .write(
                tokenizer,
                scratch,
                // By phases, as the ideal is: what overlaps would hide what it costs.
                "rollouts.overlap = false",
                "cluster {",
                "  policy.node = others",
                "  critic.node = others",
                "  reward.node = others",
                "  reference.node = others",
                "}");
    var loaded = PipelineConfigurations.loader().load(conf, List.of());
    List<Mark> marks = new ArrayList<>();
    RunResult result;
    Authority authority = Authority.create("bench", Duration.ofDays(1));
    try (Children children = new Children(scratch.resolve("nodes"))) {
      Ensemble ensemble =
          jvms == 0
              ? Ensemble.local(new SimulatedEngines(cost()), workers)
              : Ensemble.seed(LOOPBACK, 0, workers, authority.issue("driver", Duration.ofDays(1)));
      for (int i = 0; jvms > 0 && i <= jvms; i++) {
        HandOver said =
            new HandOver(
                scratch.resolve("run").toString(),
                authority.issue("simulated-" + i, Duration.ofDays(1)));
        children.start(
            "simulated-" + i,
            node(ensemble.address(), i),
            said,
            end -> ensemble.ended(said.credentials(), end.sentence()));
      }
      result =
          Pipeline.start(
                  RunRequest.of(loaded.value(), loaded.text())
                      .listener(
                          (stage, step, total, metrics) -> {
                            if (stage.equals("ppo")) {
                              marks.add(Mark.now());
                            }
                          })
                      .on(ensemble))
              .result()
              .join();
    }
    return figures(marks, phases(result.directory().resolve("metrics.jsonl")));
  }

  private int prompts() {
    return workers * PROMPTS_PER_WORKER;
  }

  private CostModel cost() {
    return new CostModel(workers, speed, parameters);
  }

  /** What an iteration takes when nothing but the engines takes time, by phase. */
  private Map<String, Double> ideal() {
    CostModel cost = cost();
    long tokens = (long) prompts() * (PROMPT_TOKENS + NEW_TOKENS);
    Map<String, Double> ideal = new TreeMap<>();
    ideal.put("generate", cost.flip() + cost.generate(PROMPTS_PER_WORKER, NEW_TOKENS));
    // Reward model, reference and critic work side by side, and so do policy and critic after.
    ideal.put("score", cost.score(tokens));
    ideal.put("train", cost.train(tokens));
    return ideal;
  }

  private List<Measurement> figures(List<Mark> marks, List<JsonNode> phases) {
    Map<String, Object> setting = new LinkedHashMap<>();
    setting.put("workers", workers);
    setting.put("jvms", jvms);
    setting.put("prompts", prompts());
    Map<String, Double> ideal = ideal();
    double engines = ideal.values().stream().mapToDouble(Double::doubleValue).sum();
    List<Double> seconds = new ArrayList<>();
    List<Double> samples = new ArrayList<>();
    List<Double> cpu = new ArrayList<>();
    List<Double> overhead = new ArrayList<>();
    Map<String, List<Double>> byPhase = new TreeMap<>();
    for (int i = 1; i < marks.size(); i++) {
      double took = (marks.get(i).nanos() - marks.get(i - 1).nanos()) / 1e9;
      seconds.add(took);
      samples.add(prompts() / took);
      cpu.add((marks.get(i).cpuNanos() - marks.get(i - 1).cpuNanos()) / 1e9);
      overhead.add(took - engines);
      double elsewhere = took;
      for (Map.Entry<String, Double> phase : ideal.entrySet()) {
        double whole = phases.get(i).get(phase.getKey()).asDouble();
        elsewhere -= whole;
        byPhase
            .computeIfAbsent("overhead, " + phase.getKey(), key -> new ArrayList<>())
            .add(whole - phase.getValue());
      }
      byPhase.computeIfAbsent("overhead, between", key -> new ArrayList<>()).add(elsewhere);
    }
    List<Measurement> all = new ArrayList<>();
    all.add(of("orchestration, iteration", setting, "s", seconds));
    all.add(of("orchestration, samples", setting, "samples/s", samples));
    all.add(of("orchestration, coordinator's processor", setting, "s", cpu));
    all.add(of("orchestration, overhead", setting, "s", overhead));
    byPhase.forEach((name, values) -> all.add(of("orchestration, " + name, setting, "s", values)));
    int rounds = marks.size() - 1;
    Map<String, Traffic> before = marks.get(0).traffic();
    marks
        .get(rounds)
        .traffic()
        .forEach(
            (kind, total) -> {
              Traffic traffic = total.since(before.getOrDefault(kind, new Traffic(0, 0, 0)));
              if (traffic.messages() == 0) {
                return;
              }
              String name = "orchestration, " + kind;
              all.add(of(name, setting, "messages", (double) traffic.messages(), rounds));
              all.add(of(name, setting, "kB", traffic.bytes() / 1e3, rounds));
              all.add(of(name, setting, "ms", traffic.nanos() / 1e6, rounds));
            });
    return all;
  }

  private static Measurement of(
      String work, Map<String, Object> setting, String unit, double total, int rounds) {
    return of(work, setting, unit, List.of(total / rounds));
  }

  private static Measurement of(
      String work, Map<String, Object> setting, String unit, List<Double> values) {
    return Measurement.of(work, setting, unit, values);
  }

  /** Seconds by phase of each iteration, in order. */
  private static List<JsonNode> phases(Path metrics) throws IOException {
    List<JsonNode> all = new ArrayList<>();
    for (String line : Files.readAllLines(metrics)) {
      JsonNode step = JSON.readTree(line);
      if (step.get("stage").asText().equals("ppo")) {
        all.add(step.get("phaseSeconds"));
      }
    }
    return all;
  }

  /** This process without the simulated engines' own threads, the garbage collector included. */
  private static long coordinatorCpuNanos() {
    long process =
        ((com.sun.management.OperatingSystemMXBean) ManagementFactory.getOperatingSystemMXBean())
            .getProcessCpuTime();
    ThreadMXBean threads = ManagementFactory.getThreadMXBean();
    for (ThreadInfo thread : threads.getThreadInfo(threads.getAllThreadIds())) {
      if (thread != null && thread.getThreadName().startsWith("role-")) {
        process -= Math.max(0, threads.getThreadCpuTime(thread.getThreadId()));
      }
    }
    return process;
  }

  /** The first plays every role but the rollout workers', which are spread over the others. */
  private List<String> node(String seed, int number) {
    int own = number == 0 ? 0 : workers * number / jvms - workers * (number - 1) / jvms;
    List<String> command = new ArrayList<>(JavaCommand.ofThisProgram());
    command.addAll(
        List.of(
            "bench",
            "simulated-node",
            "--join",
            seed,
            "--roles",
            number == 0 ? OTHERS : Ensemble.ROLLOUT,
            "--room",
            "" + own,
            "--workers",
            "" + workers,
            "--speed",
            "" + speed,
            "--parameters",
            "" + parameters));
    return command;
  }
}
