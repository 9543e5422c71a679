package dev.troupe.rlhf.reward;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.troupe.protocol.data.FinishReason;
import dev.troupe.protocol.data.Floats;
import dev.troupe.protocol.data.Prompt;
import dev.troupe.protocol.data.Rollout;
import dev.troupe.protocol.data.TokenIds;
import dev.troupe.rlhf.data.DataException;
import dev.troupe.rlhf.limits.OutOfLimits;
import dev.troupe.rlhf.port.Score;
import dev.troupe.rlhf.port.Scorer;
import dev.troupe.rlhf.port.ScorerException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.CompletionStage;
import org.junit.jupiter.api.Test;

class RewardsTest {
  private static final RewardConfig MATH =
      new RewardConfig.Math(1, RewardConfig.Math.Compare.MEANING);

  private static Prompt prompt(Optional<String> answer) {
    return new Prompt("p", "p", TokenIds.of(1), answer, Map.of());
  }

  private static Rollout rollout(String text, String answer) {
    return new Rollout(
        prompt(Optional.of(answer)),
        TokenIds.of(2, 3),
        text,
        new Floats(new float[2]),
        FinishReason.STOP,
        0);
  }

  private static Rewards rewards(Map<String, RewardConfig> configs) {
    return new Rewards(
        "grpo.rewards",
        configs,
        (name, config) -> {
          throw new ScorerException(name + " is not there");
        });
  }

  private static Scores scores(Scorer scorer, Rollout... rollouts) {
    return Scores.of(scorer, List.of(rollouts)).toCompletableFuture().join();
  }

  private record Fixed(List<Score> scores, List<String> closed) implements Scorer {
    @Override
    public String name() {
      return "fixed";
    }

    @Override
    public CompletionStage<List<Score>> score(List<Rollout> rollouts) {
      return CompletableFuture.completedFuture(scores);
    }

    @Override
    public void close() {
      closed.add("fixed");
    }
  }

  @Test
  void sum_addsWeightedScores_andKeepsThePartsUnweighted() {
    Scorer sum =
        rewards(
                Map.of(
                    "correct",
                    MATH,
                    "shape",
                    new RewardConfig.Pattern(0.25, "<a>.*</a>", PatternRule.Use.MATCHES)))
            .open(Optional.empty());
    Scores scores = scores(sum, rollout("<a>\\boxed{4}</a>", "4"), rollout("\\boxed{4}", "4"));
    assertThat(scores.all())
        .containsExactly(
            Score.of(1.25, Map.of("correct", 1.0, "shape", 1.0)),
            Score.of(1, Map.of("correct", 1.0, "shape", 0.0)));
    assertThat(scores.metrics()).isEqualTo(Map.of("rewards.correct", 1.0, "rewards.shape", 0.5));
    assertThat(scores.failures()).isEmpty();
  }

  @Test
  void sum_ofWhatCouldNotBeScored_isNone_andCountedByReason() {
    Scorer sum =
        rewards(Map.of("n", new RewardConfig.Number(1, NumberAnswer.Place.LAST)))
            .open(Optional.empty());
    Rollout without =
        new Rollout(
            prompt(Optional.empty()),
            TokenIds.of(2),
            "5",
            new Floats(new float[1]),
            FinishReason.LENGTH,
            0);
    Scores scores =
        scores(sum, rollout("5", "five"), rollout("5", "six"), without, rollout("5", "5"));
    assertThat(scores.failures())
        .isEqualTo(
            Map.of(
                "n: the reference has no number",
                2,
                "n: the data have no answer to compare with",
                1));
    // Of the one that was.
    assertThat(scores.metrics()).isEqualTo(Map.of("rewards.n", 1.0));
    assertThat(scores.notices())
        .containsExactlyInAnyOrder(
            "2 of 4 answers not scored, left out: n: the reference has no number (five)",
            "1 of 4 answers not scored, left out: n: the data have no answer to compare with");
  }

  @Test
  void sum_innerParts_standBehindADot_andAllAreClosed() {
    List<String> closed = new ArrayList<>();
    Scorer inner = new Fixed(List.of(Score.of(2, Map.of("a", 0.5))), closed);
    SumScorer sum =
        new SumScorer(
            "s", List.of(new SumScorer.Term("x", inner, -1), new SumScorer.Term("y", inner, 2)));
    assertThat(scores(sum, rollout("", "")).all())
        .containsExactly(Score.of(2, Map.of("x", 2.0, "x.a", 0.5, "y", 2.0, "y.a", 0.5)));
    sum.close();
    assertThat(closed).hasSize(2);
  }

  @Test
  void scores_ofAnotherNumber_nameTheScorerAndTheCount() {
    assertThatThrownBy(
            () ->
                scores(
                    new Fixed(List.of(Score.of(1)), List.of()), rollout("", ""), rollout("", "")))
        .isInstanceOf(CompletionException.class)
        .hasCauseInstanceOf(ScorerException.class)
        .hasMessageContaining("fixed gave 1 scores for 2 answers, expected exactly one for each");
    assertThatThrownBy(() -> Scores.checked("f", null, 3))
        .hasMessage("f gave null for 3 answers, expected a list of as many scores");
    assertThatThrownBy(() -> Scores.checked("f", Arrays.asList(Score.of(1), null), 2))
        .hasMessageStartingWith("f: its score 2 of 2 is null");
  }

  @Test
  void score_notFiniteInAPart_isNone() {
    assertThat(Score.of(1, Map.of("a", Double.POSITIVE_INFINITY)))
        .isEqualTo(new Score.Unscored("not a finite number", "a is Infinity"));
    assertThat(Score.of(-0.0)).isEqualTo(Score.of(0));
  }

  @Test
  void noRollouts_askNobody() {
    assertThat(scores(new Fixed(List.of(Score.of(1)), List.of())).all()).isEmpty();
  }

  @Test
  void scorable_leavesOutPrompts_withoutTheAnswerThatARewardNeeds() {
    Prompt with = prompt(Optional.of("1"));
    Prompt without = prompt(Optional.empty());
    assertThat(rewards(Map.of("m", MATH)).scorable(List.of(with, without))).containsExactly(with);
    RewardConfig shape = new RewardConfig.Pattern(1, "a", PatternRule.Use.CONTAINS);
    assertThat(rewards(Map.of("s", shape)).scorable(List.of(without))).containsExactly(without);
    assertThatThrownBy(() -> rewards(Map.of("m", MATH)).scorable(List.of(without)))
        .isInstanceOf(DataException.class)
        .hasMessage(
            "grpo.rewards.m compares with the data's answer, and none of 1 prompts of data.prompts"
                + " has one: name the field that holds it in the source's columns { answer = … }"
                + " (without a name it is looked for in answer, ground_truth, target and solution),"
                + " or take a reward that needs none");
  }

  @Test
  void pattern_thatDoesNotCompile_isRefusedByItsPlace() {
    assertThatThrownBy(() -> new RewardConfig.Pattern(1, "<a>(.*</a>", PatternRule.Use.MATCHES))
        .isInstanceOf(OutOfLimits.class)
        .hasMessage(
            "expression is \"<a>(.*</a>\", allowed: a regular expression; Unclosed group at"
                + " character 11");
    assertThatThrownBy(() -> new RewardConfig.Pattern(1, "a", PatternRule.Use.CAPTURES))
        .hasMessageContaining("put ( ) around it");
    assertThatThrownBy(() -> new RewardConfig.Math(0, RewardConfig.Math.Compare.TEXT))
        .hasMessage("weight is 0.0, allowed: a number but 0");
  }
}
