package dev.troupe.rewards;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.type.TypeReference;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.troupe.protocol.data.Rollout;
import dev.troupe.rlhf.port.Score;
import dev.troupe.rlhf.port.Scorer;
import dev.troupe.rlhf.port.ScorerException;
import dev.troupe.rlhf.reward.RewardConfig;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/**
 * Runs the program of each answer on its prompt's tests. Inputs go in by the standard input; what
 * is printed is compared out here, where no program can see what it should have been.
 */
final class CodeScorer implements Scorer {
  static final String NO_TESTS = "the data have no tests";
  static final String BROKEN = "the sandbox failed";

  /** One test. */
  private record Check(String input, String output) {}

  private final String name;
  private final RewardConfig.Code config;
  private final Sandbox sandbox;
  private final ExecutorService threads;

  private CodeScorer(String name, RewardConfig.Code config, Sandbox sandbox) {
    this.name = name;
    this.config = config;
    this.sandbox = sandbox;
    threads = Executors.newFixedThreadPool(config.parallel(), task -> Threads.daemon(task, name));
  }

  /**
   * As configured.
   *
   * @throws ScorerException where no program can be run safely
   */
  static CodeScorer of(String name, RewardConfig.Code config) {
    Sandbox.Limits limits =
        new Sandbox.Limits(config.timeLimitSeconds(), config.memoryMegabytes(), config.processes());
    return new CodeScorer(name, config, new Sandbox(limits, config.parallel()).checked(name));
  }

  @Override
  public String name() {
    return name;
  }

  @Override
  public CompletionStage<List<Score>> score(List<Rollout> rollouts) {
    return Batches.each(
        rollouts,
        1,
        one ->
            CompletableFuture.supplyAsync(() -> one.stream().map(this::scored).toList(), threads));
  }

  @Override
  public boolean scoresEachAlone() {
    return true;
  }

  private Score scored(Rollout rollout) {
    Optional<List<Check>> checks = checks(rollout.prompt().metadata().get(config.tests()));
    if (checks.isEmpty()) {
      return new Score.Unscored(
          NO_TESTS,
          "prompt "
              + rollout.prompt().id()
              + " has no list of {\"input\": text, \"output\": text} in "
              + config.tests());
    }
    Optional<String> program = Blocks.last(rollout.text());
    if (program.isEmpty()) {
      return Score.of(0);
    }
    try {
      Path job = Sandbox.job(config.file(), program.get());
      try {
        return tested(job, checks.get());
      } finally {
        delete(job);
      }
    } catch (IOException e) {
      return new Score.Unscored(BROKEN, String.valueOf(e.getMessage()));
    }
  }

  private Score tested(Path job, List<Check> checks) throws IOException {
    List<String> command = new ArrayList<>();
    config
        .command()
        .forEach(part -> command.add(part.replace("{file}", Sandbox.path(config.file()))));
    int passed = 0;
    for (Check check : checks) {
      Sandbox.Outcome outcome = sandbox.run(job, command, check.input());
      if (outcome.ending() == Sandbox.Ending.DONE
          && ProgramOutput.same(outcome.output(), check.output())) {
        passed++;
      } else if (config.credit() == RewardConfig.Code.Credit.ALL) {
        break;
      }
    }
    double share = (double) passed / checks.size();
    return switch (config.credit()) {
      case ALL -> Score.of(passed == checks.size());
      case SHARE -> Score.of(share);
    };
  }

  /** Empty where the data have none, or something else. */
  private static Optional<List<Check>> checks(@Nullable Object tests) {
    Object list = tests;
    if (tests instanceof String text) {
      try {
        list = new ObjectMapper().readValue(text, new TypeReference<List<Object>>() {});
      } catch (JsonProcessingException e) {
        return Optional.empty();
      }
    }
    if (!(list instanceof List<?> all) || all.isEmpty()) {
      return Optional.empty();
    }
    List<Check> checks = new ArrayList<>();
    for (Object one : all) {
      if (!(one instanceof Map<?, ?> test
          && test.get("input") instanceof String input
          && test.get("output") instanceof String output)) {
        return Optional.empty();
      }
      checks.add(new Check(input, output));
    }
    return Optional.of(checks);
  }

  private static void delete(Path job) throws IOException {
    try (Stream<Path> files = Files.list(job)) {
      for (Path file : files.toList()) {
        Files.delete(file);
      }
    }
    Files.delete(job);
  }

  @Override
  public void close() {
    threads.shutdownNow();
  }
}
