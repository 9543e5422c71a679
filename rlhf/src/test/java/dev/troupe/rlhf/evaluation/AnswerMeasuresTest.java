package dev.troupe.rlhf.evaluation;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import dev.troupe.protocol.data.Episode;
import dev.troupe.protocol.data.FinishReason;
import dev.troupe.protocol.data.Floats;
import dev.troupe.protocol.data.Prompt;
import dev.troupe.protocol.data.Rollout;
import dev.troupe.protocol.data.TokenIds;
import dev.troupe.rlhf.port.Score;
import dev.troupe.rlhf.recipe.Proportion;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalDouble;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;

class AnswerMeasuresTest {
  private static final Prompt PROMPT = new Prompt("p", "?", TokenIds.of(1));
  private static final Score LOST = new Score.Unscored("down", "");

  private static Answered problem(Score... scores) {
    List<Rollout> answers =
        Stream.generate(
                () ->
                    new Rollout(
                        PROMPT, TokenIds.of(1, 2), "a", Floats.of(0, 0), FinishReason.EOS, 0))
            .limit(scores.length)
            .toList();
    return new Answered(PROMPT, answers, Arrays.asList(scores));
  }

  /** Half of what is right, plus a part that is always 0.5. */
  private static Score right(boolean right) {
    return Score.of(right ? 1 : 0.5, Map.of("correct", right ? 1.0 : 0.0, "shape", 0.5));
  }

  @Test
  void rewards_byHand() {
    List<Answered> answered =
        List.of(
            problem(right(true), right(false)), // 1 of 2
            problem(right(false), right(false)), // 0 of 2
            problem(right(true), LOST), // 1 of 1
            problem(LOST, LOST));
    RewardMeasure measure = RewardMeasure.of(answered, Optional.of("correct"), List.of(1, 2));
    assertThat(measure.problems()).isEqualTo(4);
    assertThat(measure.answers()).isEqualTo(8);
    assertThat(measure.score()).isEqualTo(Mean.of(List.of(0.75, 0.5, 1.0)));
    assertThat(measure.parts().get("shape")).isEqualTo(Mean.of(List.of(0.5, 0.5, 0.5)));
    assertThat(measure.right()).contains(Proportion.of(1.5, 3));
    assertThat(measure.passAtK().get(1)).isEqualTo(Proportion.of(1.5, 3));
    assertThat(measure.passAtK().get(2)).isEqualTo(Proportion.of(1, 2));
    assertThat(measure.leftOut())
        .containsExactly(
            Map.entry("down", 3),
            Map.entry("pass@1: problems with fewer scored answers", 1),
            Map.entry("pass@2: problems with fewer scored answers", 2));
    assertThat(measure.length().mean()).isEqualTo(2);
    assertThat(measure.ended().share()).isEqualTo(1);
  }

  /** Of so many turns and as many sampled tokens, each with a call that failed. */
  private static Rollout episode(int turns, Episode.End end) {
    int[] sampled = IntStream.range(0, turns).toArray();
    return new Rollout(
        PROMPT,
        new TokenIds(IntStream.range(0, turns + 3).toArray()),
        "a",
        new Floats(new float[turns]),
        end == Episode.End.TURNS ? FinishReason.LENGTH : FinishReason.EOS,
        0,
        Optional.of(
            new Episode(
                new TokenIds(sampled),
                turns,
                turns,
                turns,
                "a",
                OptionalDouble.empty(),
                Map.of("found", turns / 2.0),
                end,
                end == Episode.End.FAILED
                    ? Optional.of(new Episode.Failure("down", "why"))
                    : Optional.empty())));
  }

  /** One that failed counts as played and left out, and in no figure. */
  @Test
  void episodes_byHand() {
    List<Answered> answered =
        List.of(
            new Answered(
                PROMPT,
                List.of(episode(2, Episode.End.DONE), episode(4, Episode.End.TURNS)),
                List.of(right(true), right(false))),
            new Answered(
                PROMPT,
                List.of(episode(9, Episode.End.FAILED), episode(1, Episode.End.DONE)),
                List.of(LOST, right(true))),
            new Answered(PROMPT, List.of(episode(7, Episode.End.FAILED)), List.of(LOST)));
    RewardMeasure measure = RewardMeasure.of(answered, Optional.of("correct"), List.of());
    assertThat(measure.right()).contains(Proportion.of(1.5, 2));
    assertThat(measure.length()).isEqualTo(Mean.of(List.of(3.0, 1.0)));
    assertThat(measure.ended()).isEqualTo(Proportion.of(1.5, 2));
    assertThat(measure.leftOut()).isEqualTo(Map.of("down", 2));
    EpisodeMeasure episodes = measure.episodes().orElseThrow();
    assertThat(episodes.played()).isEqualTo(5);
    assertThat(episodes.ends())
        .isEqualTo(Map.of(Episode.End.DONE, 2, Episode.End.TURNS, 1, Episode.End.FAILED, 2));
    assertThat(episodes.figures())
        .isEqualTo(
            Map.of(
                "turns", Mean.of(List.of(3.0, 1.0)),
                "toolCalls", Mean.of(List.of(3.0, 1.0)),
                "toolFailures", Mean.of(List.of(3.0, 1.0)),
                "observationTokens", Mean.of(List.of(3.0, 3.0)),
                "environment.found", Mean.of(List.of(1.5, 0.5))));
    assertThat(RewardMeasure.of(List.of(problem(right(true))), Optional.empty(), List.of()))
        .as("answers given at once")
        .matches(at -> at.episodes().isEmpty());
  }

  @Test
  void rewards_withoutARule_sayNothingOfRight() {
    RewardMeasure measure =
        RewardMeasure.of(List.of(problem(right(true))), Optional.empty(), List.of());
    assertThat(measure.right()).isEmpty();
    assertThat(measure.passAtK()).isEmpty();
  }

  @Test
  void rewards_ofNothingScored_areNone() {
    assertThatThrownBy(
            () -> RewardMeasure.of(List.of(problem(LOST, LOST)), Optional.empty(), List.of()))
        .isInstanceOf(MeasureException.class)
        .hasMessage("rewards: none of the answers could be scored: down (2)");
  }

  @Test
  void winRate_byHand() {
    List<Answered> ours =
        List.of(problem(Score.of(2), Score.of(1)), problem(Score.of(0), LOST), problem(LOST, LOST));
    List<Answered> theirs =
        List.of(
            problem(Score.of(1), Score.of(1)),
            problem(Score.of(5), Score.of(1)),
            problem(Score.of(1), Score.of(1)));
    WinRate rate = WinRate.of(ours, theirs);
    // (1 + ½) / 2 of the first problem, 0 of the second.
    assertThat(rate.rate()).isEqualTo(Proportion.of(0.75, 2));
    assertThat(List.of(rate.wins(), rate.ties(), rate.losses(), rate.leftOut()))
        .containsExactly(1, 1, 1, 3);
    assertThatThrownBy(() -> WinRate.of(ours.subList(2, 3), theirs.subList(2, 3)))
        .hasMessageStartingWith("win-rate: no two answers could be compared");
  }

  @Test
  void tally_byHand() {
    Classification.Tally tally = new Classification.Tally(List.of("a", "b"));
    tally.add("a", Map.of("a", Math.log(0.75), "b", Math.log(0.25)));
    tally.add("b", Map.of("a", Math.log(0.75), "b", Math.log(0.25)));
    tally.add("b", Map.of("a", -1.0, "b", -1.0));
    Classification result = tally.result(4);
    assertThat(result.accuracy()).isEqualTo(Proportion.of(1, 3));
    assertThat(result.majority()).isCloseTo(2.0 / 3, within(1e-15));
    assertThat(result.loss())
        .isCloseTo(-(Math.log(0.75) + Math.log(0.25) + Math.log(0.5)) / 3, within(1e-15));
    assertThat(result.confusion())
        .isEqualTo(Map.of("a", Map.of("a", 1, "b", 0), "b", Map.of("a", 2, "b", 0)));
    assertThat(result.ties()).isEqualTo(1);
    assertThat(result.examples()).isEqualTo(4);
  }

  @Test
  void templates_mustHaveAGapForATextAndForALabel() {
    assertThat(Template.fault("{text} is {label}.\n")).isEmpty();
    for (String wrong :
        List.of("", "{text}", "{label}", "{label} {text}", "{text} {label} {label}")) {
      assertThat(Template.fault(wrong)).as(wrong).isPresent();
    }
    Template template = Template.of("[{text}] is {label}.\n");
    assertThat(template.head(gap -> "$1 a")).isEqualTo("[$1 a] is ");
    assertThat(template.example(gap -> "x", "good")).isEqualTo("[x] is good.\n");
  }

  @Test
  void configurations_thatCannotBe_areRefused() {
    assertThatThrownBy(() -> new AnswersConfig(1, Map.of(), Optional.empty(), List.of()))
        .hasMessageContaining("rewards");
    assertThatThrownBy(
            () ->
                new ClassificationConfig(
                    "{text} {label}",
                    Map.of("a", List.of("x"), "b", List.of("x")),
                    0,
                    ClassificationConfig.WordScore.SUM,
                    ClassificationConfig.Verbaliser.MEAN,
                    Optional.empty()))
        .hasMessageContaining("[x] more than once");
  }
}
