package dev.troupe.actors.pipeline;

import com.fasterxml.jackson.databind.ObjectMapper;
import dev.troupe.rlhf.recipe.StageResult;
import dev.troupe.rlhf.stage.Stage;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/** What the stages of a run came to, and {@code summary.json} of it. */
final class RunSummary {
  private final PipelineConfig config;
  private final RunDirectory directory;
  private final Map<String, StageResult> results = new LinkedHashMap<>();
  private final Map<String, Double> seconds = new LinkedHashMap<>();

  RunSummary(PipelineConfig config, RunDirectory directory) {
    this.config = config;
    this.directory = directory;
  }

  void add(Stage<?> stage, StageResult result, double took) {
    results.put(stage.name(), result);
    seconds.put(stage.name(), took);
  }

  /** By the stages' names. */
  Map<String, StageResult> results() {
    return Collections.unmodifiableMap(results);
  }

  /**
   * @param phases seconds by stage and phase
   * @param failure why the run failed, if it did
   */
  String json(String outcome, Map<String, Map<String, Double>> phases, Optional<String> failure)
      throws IOException {
    List<Map<String, @Nullable Object>> stages = new ArrayList<>();
    for (Stage<?> stage : config.stages()) {
      StageResult result = results.get(stage.name());
      if (result != null) {
        stages.add(entry(stage, result, phases.getOrDefault(stage.name(), Map.of())));
      }
    }
    Map<String, @Nullable Object> summary = new LinkedHashMap<>();
    summary.put("outcome", outcome);
    failure.ifPresent(why -> summary.put("failure", why));
    summary.put("seed", config.seed());
    summary.put("seconds", seconds.values().stream().mapToDouble(Double::doubleValue).sum());
    ResidentMemory.peakBytes().ifPresent(bytes -> summary.put("peakResidentBytes", bytes));
    summary.put("stages", stages);
    return new ObjectMapper().writerWithDefaultPrettyPrinter().writeValueAsString(summary) + "\n";
  }

  private Map<String, @Nullable Object> entry(
      Stage<?> stage, StageResult result, Map<String, Double> phases) {
    Map<String, @Nullable Object> entry = new LinkedHashMap<>();
    entry.put("stage", stage.name());
    entry.put("seconds", seconds.get(stage.name()));
    entry.put("gives", stage.gives().name().toLowerCase(Locale.ROOT));
    Path trained = directory.trained(stage);
    if (Files.exists(trained)) {
      entry.put("trained", directory.path().relativize(trained).toString());
    }
    entry.put("phaseSeconds", phases);
    plain(result).forEach(entry::put);
    return entry;
  }

  /** The plain numbers of a result record. */
  static Map<String, Double> numbers(StageResult result) {
    Map<String, Double> numbers = new LinkedHashMap<>();
    plain(result)
        .forEach(
            (key, value) -> {
              // A number that is not finite is null by now, and so absent.
              if (value instanceof Number number) {
                numbers.put(key, number.doubleValue());
              }
            });
    return numbers;
  }

  private static Map<String, @Nullable Object> plain(StageResult result) {
    Map<String, @Nullable Object> plain = new LinkedHashMap<>();
    if (PlainJson.of(result) instanceof Map<?, ?> components) {
      components.forEach((key, value) -> plain.put(String.valueOf(key), value));
    }
    return plain;
  }
}
