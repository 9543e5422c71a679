package dev.troupe.rlhf.reward;

import dev.troupe.protocol.data.FinishReason;
import dev.troupe.protocol.data.Floats;
import dev.troupe.protocol.data.Prompt;
import dev.troupe.protocol.data.Rollout;
import dev.troupe.protocol.data.TokenIds;
import dev.troupe.rlhf.port.Scorer;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;

/** What rules cost for 64 answers of some 1,200 characters, in milliseconds: a program to run. */
final class RuleCost {
  private static final int ANSWERS = 64;
  private static final int ROUNDS = 200;

  private RuleCost() {}

  public static void main(String[] arguments) {
    List<Rollout> rollouts = new ArrayList<>();
    for (int i = 0; i < ANSWERS; i++) {
      String steps =
          "There are 12 boxes with $1,250.50 each, so 12 * 1250.5 = 15006 and then 3/4 of it. "
              .repeat(14);
      String text =
          "<think>" + steps + i + "</think><answer>\\boxed{\\frac{" + i + "}{7}}</answer>";
      rollouts.add(
          new Rollout(
              new Prompt("p" + i, "ask", TokenIds.of(1), Optional.of(i + "/7"), Map.of()),
              new TokenIds(new int[300]),
              text,
              new Floats(new float[300]),
              FinishReason.STOP,
              0));
    }
    Map<String, RewardConfig> kinds =
        Map.of(
            "math", new RewardConfig.Math(1, RewardConfig.Math.Compare.MEANING),
            "number", new RewardConfig.Number(1, NumberAnswer.Place.LAST),
            "quantity", new RewardConfig.Quantity(1, 0),
            "exact", new RewardConfig.Exact(1, ExactAnswer.LetterCase.IGNORED),
            "pattern",
                new RewardConfig.Pattern(
                    1, "<think>.*</think>\\s*<answer>.*</answer>", PatternRule.Use.MATCHES),
            "format", new RewardConfig.Format(1, List.of("think", "answer"), FormatRule.Rest.NONE),
            "repetition", new RewardConfig.Repetition(1, 3),
            "script", new RewardConfig.Script(1, List.of("Latin")),
            "overlong", new RewardConfig.Overlong(1, 512, 128));
    kinds.forEach((name, config) -> tell(name, Map.of(name, config), rollouts));
    tell("all", kinds, rollouts);
  }

  private static void tell(String name, Map<String, RewardConfig> configs, List<Rollout> rollouts) {
    Scorer scorer = new Rewards("bench", configs, Scorers.NONE).open(Optional.empty());
    double[] milliseconds = new double[ROUNDS];
    for (int round = 0; round < ROUNDS; round++) {
      long begin = System.nanoTime();
      Scores scores = Scores.of(scorer, rollouts).toCompletableFuture().join();
      milliseconds[round] = (System.nanoTime() - begin) / 1e6;
      if (!scores.failures().isEmpty()) {
        throw new IllegalStateException(scores.failures().toString());
      }
    }
    // The second half: the compiler has done its work.
    double[] warm = Arrays.copyOfRange(milliseconds, ROUNDS / 2, ROUNDS);
    Arrays.sort(warm);
    System.out.printf(
        Locale.ROOT,
        "%-10s first %8.2f ms, median %8.3f ms, 95 %% %8.3f ms%n",
        name,
        milliseconds[0],
        warm[warm.length / 2],
        warm[warm.length * 95 / 100]);
  }
}
