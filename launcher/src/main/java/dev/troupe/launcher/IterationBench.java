package dev.troupe.launcher;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.troupe.actors.pipeline.Pipeline;
import dev.troupe.actors.pipeline.RunRequest;
import dev.troupe.actors.pipeline.RunResult;
import dev.troupe.configuration.PipelineConfigurations;
import dev.troupe.launcher.bench.Measurement;
import dev.troupe.rlhf.port.RewardFunction;
import dev.troupe.rlhf.port.Sample;
import dev.troupe.rlhf.port.Score;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.TreeMap;

/**
 * Whole iterations by the pipeline that users run: roles on one base, actors, ledger, event files
 * and all.
 *
 * @param prompts of an iteration
 * @param answers to each
 */
record IterationBench(Kind kind, int prompts, int answers, int promptTokens, int newTokens) {
  private static final ObjectMapper JSON = OutputJson.mapper();
  private static final String EVEN = "even-tokens";

  /** What is iterated. */
  enum Kind {
    /** Four roles, an answer to each prompt. */
    PPO,
    /** The policy and the reference that its loss holds it to; a rule scores. */
    GRPO;

    String stage() {
      return name().toLowerCase(Locale.ROOT);
    }
  }

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
      if (step.get("stage").asText().equals(kind.stage()) && step.get("step").asInt() > 1) {
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
    all.add(Measurement.of(kind.stage(), setting, "s", seconds));
    phases.forEach(
        (phase, taken) ->
            all.add(Measurement.of(kind.stage() + ", " + phase, setting, "s", taken)));
    all.add(MemoryBench.peak(result, setting));
    return all;
  }

  /** The run itself, an iteration to warm up and then so many rounds. */
  RunResult result(Path model, Path scratch, int rounds, List<String> settings) throws IOException {
    Path conf =
        Files.writeString(scratch.resolve("run.conf"), configuration(model, scratch, rounds));
    Files.writeString(
        scratch.resolve("prompts.jsonl"), BenchTexts.prompts((rounds + 2) * prompts, promptTokens));
    Files.writeString(scratch.resolve("pairs.jsonl"), BenchTexts.pairs());
    var loaded = PipelineConfigurations.loader().load(conf, settings);
    return Pipeline.start(
            RunRequest.of(loaded.value(), loaded.text()).functions(List.of(new EvenTokens())))
        .result()
        .join();
  }

  Map<String, Object> setting(Path model, List<String> settings) {
    Map<String, Object> setting = new LinkedHashMap<>();
    setting.put("model", model.getFileName().toString());
    setting.put("prompts", prompts);
    setting.put("answers", answers);
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
        "data {",
        "  prompts = [{ path = " + BenchTexts.quoted(scratch.resolve("prompts.jsonl")) + " }]",
        "  max-prompt-tokens = " + promptTokens,
        "  too-long = truncate",
        "}",
        kind.stage() + " {",
        "  iterations = " + (rounds + 1),
        "  prompts-per-iteration = " + prompts,
        "  minibatches = 1",
        "  generation { max-new-tokens = " + newTokens + " }",
        "  evaluation { held-out = 2, samples = 0, generation { max-new-tokens = 1 } }",
        "}",
        switch (kind) {
          case PPO -> ppo(scratch);
          case GRPO -> grpo();
        },
        "");
  }

  private String ppo(Path scratch) {
    if (answers != 1) {
      throw new IllegalArgumentException("PPO has an answer to a prompt, not " + answers);
    }
    return String.join(
        "\n",
        "stages = [reward, ppo]",
        "data.preferences = [{ path = " + BenchTexts.quoted(scratch.resolve("pairs.jsonl")) + " }]",
        "reward { batch-size = 4, held-out = 4 }",
        "ppo.ppo-epochs = 1");
  }

  /**
   * The share of tokens with even numbers: of a random model's answers, whose text says nothing, it
   * differs too.
   */
  private static final class EvenTokens implements RewardFunction {
    @Override
    public String name() {
      return EVEN;
    }

    @Override
    public List<Score> score(List<Sample> samples) {
      return samples.stream().map(sample -> Score.of(share(sample.tokens().values()))).toList();
    }

    private static double share(int[] tokens) {
      return Arrays.stream(tokens).filter(token -> token % 2 == 0).count() / (double) tokens.length;
    }
  }

  private String grpo() {
    return String.join(
        "\n",
        "stages = [grpo]",
        "grpo {",
        "  answers-per-prompt = " + answers,
        "  rewards { even { type = java, function = " + EVEN + " } }",
        "  kl { coefficient = 0.04, placement = loss, estimator = k3 }",
        "}");
  }
}
