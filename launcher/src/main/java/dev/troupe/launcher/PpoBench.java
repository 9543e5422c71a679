package dev.troupe.launcher;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.troupe.actors.pipeline.Pipeline;
import dev.troupe.actors.pipeline.RunResult;
import dev.troupe.actors.pipeline.StepListener;
import dev.troupe.configuration.PipelineConfigurations;
import dev.troupe.launcher.bench.Measurement;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;

/**
 * Whole iterations of PPO by the pipeline that users run: four roles on one base, actors, ledger,
 * event files and all.
 *
 * @param prompts of an iteration
 */
record PpoBench(int prompts, int promptTokens, int newTokens) {
  private static final ObjectMapper JSON = OutputJson.mapper();

  /**
   * Seconds of an iteration and of each of its phases, and the most memory resident.
   *
   * @param settings further ones, as after --set
   */
  List<Measurement> run(Path model, Path scratch, int rounds, List<String> settings)
      throws IOException {
    RunResult result = result(model, scratch, rounds, settings);
    List<Double> seconds = new ArrayList<>();
    Map<String, List<Double>> phases = new TreeMap<>();
    for (String line : Files.readAllLines(result.directory().resolve("metrics.jsonl"))) {
      JsonNode step = JSON.readTree(line);
      // The first iteration warms up.
      if (step.get("stage").asText().equals("ppo") && step.get("step").asInt() > 1) {
        JsonNode taken = step.get("phaseSeconds");
        seconds.add(
            taken.get("generate").asDouble()
                + taken.get("score").asDouble()
                + taken.get("train").asDouble());
        taken
            .properties()
            .forEach(
                phase ->
                    phases
                        .computeIfAbsent(phase.getKey(), key -> new ArrayList<>())
                        .add(phase.getValue().asDouble()));
      }
    }
    Map<String, Object> setting = setting(model, settings);
    List<Measurement> all = new ArrayList<>();
    all.add(Measurement.of("ppo", setting, "s", seconds));
    phases.forEach((phase, taken) -> all.add(Measurement.of("ppo, " + phase, setting, "s", taken)));
    all.add(MemoryBench.peak(result, setting));
    return all;
  }

  /** The run itself, an iteration to warm up and then so many rounds. */
  RunResult result(Path model, Path scratch, int rounds, List<String> settings) throws IOException {
    Path conf =
        Files.writeString(scratch.resolve("ppo.conf"), configuration(model, scratch, rounds));
    Files.writeString(
        scratch.resolve("prompts.jsonl"), BenchTexts.prompts((rounds + 2) * prompts, promptTokens));
    Files.writeString(scratch.resolve("pairs.jsonl"), BenchTexts.pairs());
    var loaded = PipelineConfigurations.loader().load(conf, settings);
    return Pipeline.start(loaded.value(), loaded.text(), StepListener.NONE).result().join();
  }

  Map<String, Object> setting(Path model, List<String> settings) {
    Map<String, Object> setting = new LinkedHashMap<>();
    setting.put("model", model.getFileName().toString());
    setting.put("prompts", prompts);
    setting.put("prompt", promptTokens);
    setting.put("new", newTokens);
    setting.put("set", String.join(" ", settings));
    return setting;
  }

  private String configuration(Path model, Path scratch, int rounds) {
    return String.join(
        "\n",
        "output = " + BenchTexts.quoted(scratch.resolve("run")),
        "model = " + BenchTexts.quoted(model.toAbsolutePath()),
        "seed = 1",
        "stages = [reward, ppo]",
        "data {",
        "  preferences = [{ path = " + BenchTexts.quoted(scratch.resolve("pairs.jsonl")) + " }]",
        "  prompts = [{ path = " + BenchTexts.quoted(scratch.resolve("prompts.jsonl")) + " }]",
        "  max-prompt-tokens = " + promptTokens,
        "  too-long = truncate",
        "}",
        "reward { batch-size = 4, held-out = 4 }",
        "ppo {",
        "  iterations = " + (rounds + 1),
        "  prompts-per-iteration = " + prompts,
        "  ppo-epochs = 1",
        "  minibatches = 1",
        "  generation { max-new-tokens = " + newTokens + " }",
        "  evaluation { held-out = 2, samples = 0, generation { max-new-tokens = 1 } }",
        "}",
        "");
  }
}
