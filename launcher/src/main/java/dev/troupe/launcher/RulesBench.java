package dev.troupe.launcher;

import dev.troupe.launcher.bench.Measurement;
import dev.troupe.protocol.data.FinishReason;
import dev.troupe.protocol.data.Floats;
import dev.troupe.protocol.data.Prompt;
import dev.troupe.protocol.data.Rollout;
import dev.troupe.protocol.data.TokenIds;
import dev.troupe.rlhf.port.Scorer;
import dev.troupe.rlhf.reward.ExactAnswer;
import dev.troupe.rlhf.reward.FormatRule;
import dev.troupe.rlhf.reward.NumberAnswer;
import dev.troupe.rlhf.reward.PatternRule;
import dev.troupe.rlhf.reward.RewardConfig;
import dev.troupe.rlhf.reward.Rewards;
import dev.troupe.rlhf.reward.Scorers;
import dev.troupe.rlhf.reward.Scores;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;

/**
 * What rewards by rules cost beside an iteration of GRPO: the iteration as users run it, and then
 * in the same process the rules, on as many answers of as many tokens as it has. What a random
 * model answers would be easy on them, so they are timed on worked answers, in which there are
 * numbers, formulas and sections to look at.
 */
record RulesBench(IterationBench iterations) {
  private static final int LETTERS_PER_TOKEN = 4;

  /** All of them, by their types. */
  private static final Map<String, RewardConfig> RULES =
      new TreeMap<>(
          Map.of(
              "math", new RewardConfig.Math(1, RewardConfig.Math.Compare.MEANING),
              "number", new RewardConfig.Number(1, NumberAnswer.Place.LAST),
              "quantity", new RewardConfig.Quantity(1, 0),
              "exact", new RewardConfig.Exact(1, ExactAnswer.LetterCase.IGNORED),
              "pattern",
                  new RewardConfig.Pattern(
                      1, "<think>.*</think>\\s*<answer>.*</answer>", PatternRule.Use.MATCHES),
              "format",
                  new RewardConfig.Format(1, List.of("think", "answer"), FormatRule.Rest.NONE),
              "length", new RewardConfig.Length(1, 0, 1000),
              "repetition", new RewardConfig.Repetition(1, 3),
              "script", new RewardConfig.Script(1, List.of("Latin")),
              "overlong", new RewardConfig.Overlong(1, 512, 128)));

  /**
   * The iteration's figures; milliseconds of each rule and of all; all as a share of the iteration,
   * in percent.
   *
   * @param settings further ones, as after --set
   */
  List<Measurement> run(Path model, Path scratch, int rounds, List<String> settings)
      throws IOException {
    List<Measurement> all = new ArrayList<>(iterations.run(model, scratch, rounds, settings));
    double seconds = all.get(0).median();
    Map<String, Object> setting = all.get(0).setting();
    List<Rollout> worked = worked();
    RULES.forEach(
        (name, rule) ->
            all.add(
                Measurement.of(
                    "rules, " + name,
                    setting,
                    "ms",
                    milliseconds(Map.of(name, rule), worked, rounds))));
    List<Double> together = milliseconds(RULES, worked, rounds);
    all.add(Measurement.of("rules, all " + RULES.size(), setting, "ms", together));
    all.add(
        Measurement.percentAtMost(
            "rules, of an iteration",
            setting,
            together.stream().map(taken -> taken / 10 / seconds).toList(),
            1));
    return all;
  }

  /** Of each round, after one to warm up: an iteration's answers are scored once. */
  private static List<Double> milliseconds(
      Map<String, RewardConfig> rules, List<Rollout> rollouts, int rounds) {
    Scorer scorer = new Rewards("bench", rules, Scorers.NONE).open(Optional.empty());
    List<Double> taken = new ArrayList<>();
    for (int round = 0; round <= rounds; round++) {
      long begin = System.nanoTime();
      Scores scores = Scores.of(scorer, rollouts).toCompletableFuture().join();
      if (!scores.failures().isEmpty()) {
        throw new IllegalStateException(scores.failures().toString());
      }
      if (round > 0) {
        taken.add((System.nanoTime() - begin) / 1e6);
      }
    }
    scorer.close();
    return taken;
  }

  private List<Rollout> worked() {
    List<Rollout> rollouts = new ArrayList<>();
    for (int i = 0; i < iterations.prompts() * iterations.answers(); i++) {
      String end = i + "</think><answer>\\boxed{\\frac{" + i + "}{7}}</answer>";
      String step = "There are 12 boxes with $1,250.50 each, so 12 * 1250.5 = 15006; 3/4 of it. ";
      StringBuilder text = new StringBuilder("<think>");
      while (text.length() + end.length() < LETTERS_PER_TOKEN * iterations.newTokens()) {
        text.append(step);
      }
      rollouts.add(
          new Rollout(
              new Prompt("p" + i, "", TokenIds.of(1), Optional.of(i + "/7"), Map.of()),
              new TokenIds(new int[iterations.newTokens()]),
              text + end,
              new Floats(new float[iterations.newTokens()]),
              FinishReason.EOS,
              0));
    }
    return rollouts;
  }
}
