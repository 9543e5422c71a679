package dev.troupe.launcher;

import dev.troupe.actors.cluster.Ensemble;
import dev.troupe.actors.role.Exchanging;
import dev.troupe.actors.trust.Authority;
import dev.troupe.launcher.bench.ExchangingEngines;
import dev.troupe.launcher.bench.Measurement;
import dev.troupe.protocol.data.BatchTotals;
import dev.troupe.protocol.data.Head;
import dev.troupe.protocol.data.LearningRateSchedule;
import dev.troupe.protocol.data.OptimizerSettings;
import dev.troupe.protocol.data.RoleSpec;
import dev.troupe.protocol.data.Sequence;
import dev.troupe.protocol.data.TokenIds;
import dev.troupe.protocol.data.Tuning;
import dev.troupe.protocol.message.Node;
import dev.troupe.rlhf.loss.Averaging;
import dev.troupe.rlhf.loss.SftExample;
import dev.troupe.rlhf.loss.SftObjective;
import dev.troupe.rlhf.port.Role;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.CompletionException;
import java.util.stream.Stream;

/**
 * What an exchange of gradients between replicas takes: each a process of its own on loopback, with
 * a gradient that is there at once.
 *
 * @param step seconds of the step that an exchange is to be a small part of
 */
record ExchangeBench(int parameters, int replicas, double step) {
  private static final String LOOPBACK = "127.0.0.1";
  private static final String ROLE = "policy";
  private static final Duration LONG = Duration.ofMinutes(5);

  /** Exchanges before those that are measured: code is compiled, connections find their pace. */
  private static final int WARM_UP = 5;

  private static final Sequence SEQUENCE = Sequence.ofTargets(TokenIds.of(1, 2), 1);

  /**
   * Figures per exchange.
   *
   * @param bound percent of the step that it is to be at most
   */
  List<Measurement> run(Exchanging exchanging, double bound, Path scratch, int rounds)
      throws IOException {
    Authority authority = Authority.create("bench", Duration.ofDays(1));
    try (Children children = new Children(scratch.resolve("nodes"));
        Ensemble ensemble =
            Ensemble.seed(LOOPBACK, 0, authority.issue("driver", Duration.ofDays(1)))) {
      for (int i = 1; i <= replicas; i++) {
        HandOver said =
            new HandOver(
                scratch.resolve("run").toString(),
                authority.issue("exchanging-" + i, Duration.ofDays(1)));
        children.start(
            "exchanging-" + i,
            node(ensemble.address()),
            said,
            end -> ensemble.ended(said.credentials(), end.sentence()));
      }
      Role role =
          ensemble
              .cast(
                  Map.of(ROLE, ROLE),
                  Map.of(ROLE, replicas),
                  exchanging,
                  LONG,
                  LONG,
                  Node.Terms.NONE,
                  event -> {})
              .open(spec())
              .toCompletableFuture()
              .join();
      for (int i = 0; i < WARM_UP; i++) {
        exchange(role);
      }
      List<Double> milliseconds = new ArrayList<>();
      List<Double> processor = new ArrayList<>();
      List<Double> bytes = new ArrayList<>();
      for (int i = 0; i < rounds; i++) {
        long start = System.nanoTime();
        Duration before = processorTime(children);
        long sent = loopback();
        exchange(role);
        milliseconds.add((System.nanoTime() - start) / 1e6);
        bytes.add((loopback() - sent) / 1e6 / replicas);
        processor.add(processorTime(children).minus(before).toMillis() / (double) replicas);
      }
      return figures(exchanging, bound, milliseconds, processor, bytes);
    } catch (CompletionException e) {
      throw e.getCause() instanceof RuntimeException cause ? cause : e;
    }
  }

  private List<Measurement> figures(
      Exchanging exchanging,
      double bound,
      List<Double> milliseconds,
      List<Double> processor,
      List<Double> bytes) {
    Map<String, Object> setting = new LinkedHashMap<>();
    setting.put("parameters", parameters);
    setting.put("replicas", replicas);
    setting.put("by", exchanging.by().name().toLowerCase(Locale.ROOT));
    setting.put("reduction", exchanging.fast() ? "fast" : "ordered");
    List<Double> share = milliseconds.stream().map(ms -> ms / 10 / step).toList();
    Map<String, Object> ofStep = new LinkedHashMap<>(setting);
    ofStep.put("step of s", step);
    return List.of(
        Measurement.of("exchange", setting, "ms", milliseconds),
        Measurement.of("exchange, processor time of a replica", setting, "ms", processor),
        Measurement.of("exchange, sent on loopback by a replica", setting, "MB", bytes),
        Measurement.percentAtMost("exchange, of a step", ofStep, share, bound));
  }

  private static void exchange(Role role) {
    role.accumulate(
            new SftObjective(Averaging.GLOBAL_TOKEN, 1),
            List.of(new SftExample(SEQUENCE)),
            new BatchTotals(1, 1))
        .toCompletableFuture()
        .join();
    role.step().toCompletableFuture().join();
  }

  private static Duration processorTime(Children children) {
    return children.pids().stream()
        .map(pid -> ProcessHandle.of(pid).flatMap(process -> process.info().totalCpuDuration()))
        .map(Optional::orElseThrow)
        .reduce(Duration.ZERO, Duration::plus);
  }

  /** Bytes that this machine has sent to itself so far. */
  private static long loopback() throws IOException {
    for (String line : Files.readAllLines(Path.of("/proc/net/dev"))) {
      if (line.strip().startsWith("lo:")) {
        // Of bytes received, packets, … the ninth is that of bytes sent.
        return Stream.of(line.substring(line.indexOf(':') + 1).strip().split("\\s+", -1))
            .skip(8)
            .mapToLong(Long::parseLong)
            .findFirst()
            .orElseThrow();
      }
    }
    throw new UserException("/proc/net/dev names no loopback device (lo)");
  }

  private List<String> node(String seed) {
    List<String> command = new ArrayList<>(JavaCommand.ofThisProgram());
    command.addAll(
        List.of("bench", "exchanging-node", "--join", seed, "--parameters", "" + parameters));
    return command;
  }

  static Ensemble node(String seed, int parameters, Ensemble.Place place, Duration timeout) {
    return Ensemble.node(
        LOOPBACK, 0, seed, List.of(ROLE), timeout, place, new ExchangingEngines(parameters));
  }

  private static RoleSpec spec() {
    return new RoleSpec(
        ROLE,
        "none",
        Optional.empty(),
        new Tuning.Lora(8, 16, List.of(Tuning.ALL_LINEAR)),
        Head.LANGUAGE_MODEL,
        Optional.of(
            new OptimizerSettings(
                new LearningRateSchedule(LearningRateSchedule.Shape.CONSTANT, 1e-4, 0, 1000),
                0.9,
                0.999,
                1e-8,
                0,
                1,
                0)),
        1,
        Optional.empty(),
        1);
  }
}
