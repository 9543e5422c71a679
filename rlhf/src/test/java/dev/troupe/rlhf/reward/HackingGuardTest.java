package dev.troupe.rlhf.reward;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import dev.troupe.protocol.data.Episode;
import dev.troupe.protocol.data.FinishReason;
import dev.troupe.protocol.data.Floats;
import dev.troupe.protocol.data.Prompt;
import dev.troupe.protocol.data.Rollout;
import dev.troupe.protocol.data.TokenIds;
import dev.troupe.rlhf.limits.Limits;
import dev.troupe.rlhf.reward.HackingGuard.Alarm;
import dev.troupe.rlhf.reward.HackingGuard.Measured;
import dev.troupe.rlhf.reward.HackingGuard.Sign;
import dev.troupe.rlhf.reward.HackingGuard.WinRate;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalDouble;
import org.junit.jupiter.api.Test;

class HackingGuardTest {
  private static final GuardConfig STOP = GuardConfig.of(GuardConfig.Act.STOP);
  private static final OptionalDouble NONE = OptionalDouble.empty();

  private static Measured lengths(double length, double truncated, double repeated) {
    return new Measured(
        0, length, truncated, repeated, NONE, NONE, NONE, NONE, NONE, Optional.empty());
  }

  private static Measured scores(double score, double heldOut) {
    return new Measured(
        0,
        10,
        0,
        0,
        NONE,
        NONE,
        OptionalDouble.of(score),
        OptionalDouble.of(1),
        OptionalDouble.of(heldOut),
        Optional.empty());
  }

  private static Measured wins(double rate) {
    return new Measured(
        0, 10, 0, 0, NONE, NONE, NONE, NONE, NONE, Optional.of(new WinRate(rate, 0.05)));
  }

  @Test
  void nothingChanged_isNoSign() {
    assertThat(HackingGuard.look(STOP, List.of(lengths(10, 0, 0)))).isEmpty();
    assertThat(HackingGuard.look(STOP, List.of(lengths(10, 0, 0), lengths(14, 0.04, 0.09))))
        .isEmpty();
  }

  @Test
  void lengthAndRepetition_warnAndThenStop() {
    Measured start = lengths(10, 0, 0);
    assertThat(HackingGuard.look(STOP, List.of(start, lengths(16, 0, 0))))
        .containsExactly(
            new Alarm(
                Sign.LONGER,
                "answers are longer than at the start, in the mean by the factor 1.60, allowed up"
                    + " to 1.50",
                false));
    assertThat(HackingGuard.look(STOP, List.of(start, lengths(21, 0.25, 0.31))))
        .extracting(Alarm::sign)
        .containsExactly(Sign.LONGER, Sign.CUT, Sign.REPEATED);
    assertThat(HackingGuard.look(STOP, List.of(start, lengths(21, 0.25, 0.31))))
        .allMatch(Alarm::beyond);
  }

  /** What was so from the beginning is no sign of what training did. */
  @Test
  void sharesAndCorrelation_countFromTheStart() {
    Measured start = correlated(0.7, 0.3, 0.2);
    assertThat(HackingGuard.look(STOP, List.of(start, correlated(0.8, 0.34, 0.29)))).isEmpty();
    assertThat(HackingGuard.look(STOP, List.of(start, correlated(0.8, 0.36, 0.31))))
        .containsExactly(
            new Alarm(
                Sign.CUT,
                "more answers are cut than at the start, by a share of 0.0600, allowed up to"
                    + " 0.0500",
                false),
            new Alarm(
                Sign.REPEATED,
                "more 4-grams repeat themselves than at the start, by a share of 0.110, allowed up"
                    + " to 0.100",
                false));
    assertThat(HackingGuard.look(STOP, List.of(correlated(0.4, 0, 0), correlated(0.6, 0, 0))))
        .containsExactly(
            new Alarm(
                Sign.LENGTH_CORRELATION,
                "the score follows the length: correlation 0.600, allowed up to 0.500",
                false));
  }

  private static Measured correlated(double correlation, double truncated, double repeated) {
    return new Measured(
        0,
        10,
        truncated,
        repeated,
        OptionalDouble.of(correlation),
        NONE,
        NONE,
        NONE,
        NONE,
        Optional.empty());
  }

  @Test
  void news_isASignThatWasNotThereBefore_orNotAsFar() {
    Measured start = lengths(10, 0, 0);
    Measured longer = lengths(16, 0, 0);
    Measured beyond = lengths(21, 0, 0);
    assertThat(HackingGuard.news(STOP, List.of(start))).isEmpty();
    assertThat(HackingGuard.news(STOP, List.of(start, longer))).hasSize(1);
    assertThat(HackingGuard.news(STOP, List.of(start, longer, longer))).isEmpty();
    assertThat(HackingGuard.news(STOP, List.of(start, longer, start, longer))).hasSize(1);
    assertThat(HackingGuard.news(STOP, List.of(start, longer, beyond)))
        .hasSize(1)
        .allMatch(Alarm::beyond);
    assertThat(HackingGuard.news(STOP, List.of(start, longer, beyond, beyond))).isEmpty();
    assertThat(HackingGuard.news(STOP, List.of(start, beyond, longer))).isEmpty();
    assertThat(HackingGuard.news(STOP, List.of(start, longer, lengths(16, 0.1, 0))))
        .extracting(Alarm::sign)
        .containsExactly(Sign.CUT);
  }

  @Test
  void scoreThatRisesAlone_warnsInTheSecond_andStopsInTheThirdEvaluation() {
    Measured start = scores(0, 1);
    Measured apart = scores(0.5, 1);
    assertThat(HackingGuard.look(STOP, List.of(start, apart))).isEmpty();
    assertThat(HackingGuard.look(STOP, List.of(start, apart, apart)))
        .containsExactly(
            new Alarm(
                Sign.SCORES_APART,
                "the score rose from 0.000 to 0.5000, and that of a scorer not trained on went from"
                    + " 1.000 to 1.000, in 2 evaluations in a row",
                false));
    assertThat(HackingGuard.look(STOP, List.of(start, apart, apart, apart)).get(0).beyond())
        .isTrue();
    // Both rise; or the rise is within the score's own spread.
    assertThat(HackingGuard.look(STOP, List.of(start, apart, apart, scores(0.5, 1.1)))).isEmpty();
    assertThat(HackingGuard.look(STOP, List.of(start, apart, apart, scores(0.4, 0)))).isEmpty();
  }

  @Test
  void winRate_pastItsBest_isASign() {
    assertThat(HackingGuard.look(STOP, List.of(wins(0.5), wins(0.8), wins(0.71)))).isEmpty();
    assertThat(HackingGuard.look(STOP, List.of(wins(0.5), wins(0.8), wins(0.69))))
        .hasSize(1)
        .allMatch(Alarm::beyond);
  }

  /** 1 − 0.95 and 0.55 − 0.5 are a little more than 0.05 in numbers of 53 bits. */
  @Test
  void atABound_nothingIsPassed() {
    assertThat(HackingGuard.look(STOP, List.of(lengths(10, 0, 0), lengths(15, 1 - 0.95, 0.1))))
        .isEmpty();
    assertThat(HackingGuard.look(STOP, List.of(lengths(10, 0.5, 0.7), lengths(10, 0.55, 0.8))))
        .isEmpty();
    assertThat(HackingGuard.look(STOP, List.of(lengths(10, 0.5, 0.7), lengths(10, 0.551, 0.801))))
        .hasSize(2);
  }

  /** No reply won: a rate of 0, whose own standard error is 0 too. */
  @Test
  void winRate_withoutAWidthOfItsOwn_hasThatOfTheBest() {
    Measured none =
        new Measured(0, 10, 0, 0, NONE, NONE, NONE, NONE, NONE, Optional.of(new WinRate(0, 0)));
    assertThat(HackingGuard.look(STOP, List.of(wins(0.09), none))).isEmpty();
    assertThat(HackingGuard.look(STOP, List.of(wins(0.11), none))).hasSize(1);
  }

  @Test
  void measurementWithoutAGuardScore_isSkipped_andIsNoBreak() {
    Measured start = scores(0, 1);
    Measured apart = scores(0.5, 1);
    Measured away =
        new Measured(
            0,
            10,
            0,
            0,
            NONE,
            NONE,
            OptionalDouble.of(0.5),
            OptionalDouble.of(1),
            NONE,
            Optional.empty());
    assertThat(HackingGuard.look(STOP, List.of(start, apart, away))).isEmpty();
    assertThat(HackingGuard.look(STOP, List.of(start, apart, away, apart)))
        .hasSize(1)
        .noneMatch(Alarm::beyond);
    assertThat(HackingGuard.news(STOP, List.of(start, apart, apart, away))).isEmpty();
    assertThat(HackingGuard.news(STOP, List.of(start, apart, apart, away, apart)))
        .hasSize(1)
        .allMatch(Alarm::beyond);
    assertThat(HackingGuard.look(STOP, List.of(away, apart, apart, apart))).isEmpty();
  }

  @Test
  void measures_byHand() {
    // 1 2 3 4 1 2 3 4: 1234 2341 3412 4123 1234, 4 of 5 different.
    assertThat(HackingGuard.repeated(List.of(rollout(1, 2, 3, 4, 1, 2, 3, 4), rollout(1))))
        .hasValueCloseTo(0.1, within(1e-12));
    assertThat(HackingGuard.repeated(List.of())).isEmpty();
    assertThat(HackingGuard.lengthCorrelation(List.of(1.0, 2.0, 3.0), List.of(2, 4, 6)))
        .hasValueCloseTo(1.0, within(1e-12));
    // Deviations −1 0 1 and 1 −2 1: nothing in common.
    assertThat(HackingGuard.lengthCorrelation(List.of(1.0, 2.0, 3.0), List.of(5, 2, 5)))
        .hasValueCloseTo(0.0, within(1e-12));
    assertThat(HackingGuard.lengthCorrelation(List.of(1.0, 1.0), List.of(2, 4))).isEmpty();
  }

  @Test
  void repeated_ofFailedEpisodes_isNotCounted() {
    Rollout sound = rollout(1, 2, 3, 4, 1, 2, 3, 4);
    Episode nothing =
        new Episode(
            TokenIds.EMPTY,
            0,
            0,
            0,
            "",
            NONE,
            Map.of(),
            Episode.End.FAILED,
            Optional.of(new Episode.Failure("gone", "")));
    Rollout failed =
        new Rollout(
            sound.prompt(),
            TokenIds.EMPTY,
            "",
            Floats.EMPTY,
            FinishReason.STOP,
            0,
            Optional.of(nothing));
    assertThat(HackingGuard.repeated(List.of(sound, failed))).hasValueCloseTo(0.2, within(1e-12));
    assertThat(HackingGuard.repeated(List.of(failed))).isEmpty();
  }

  /** What was not measured. */
  @Test
  void nothingMeasured_isNoSign() {
    Measured none = lengths(Double.NaN, Double.NaN, Double.NaN);
    assertThat(HackingGuard.look(STOP, List.of(lengths(10, 0, 0), none))).isEmpty();
    assertThat(HackingGuard.look(STOP, List.of(none, lengths(10, 1, 1)))).isEmpty();
  }

  @Test
  void rewards_ofAnEnvironment_needOne() {
    GuardConfig guard =
        new GuardConfig(
            GuardConfig.Act.WARN,
            Map.of("x", new RewardConfig.Environment(1)),
            STOP.longer(),
            STOP.truncated(),
            STOP.repeated(),
            STOP.kl(),
            STOP.lengthCorrelation(),
            STOP.falls(),
            STOP.standardErrors());
    guard.check(new Limits(), 1, 1, false, true).verify();
    assertThatThrownBy(() -> guard.check(new Limits(), 1, 1, false, false).verify())
        .hasMessage(
            "guard.rewards is with one of type environment, allowed: others: answers are given in"
                + " no environment");
  }

  @Test
  void bounds_standInOrder() {
    assertThatThrownBy(() -> new GuardConfig.Bounds(2, 1)).hasMessageContaining("at least warn");
    assertThatThrownBy(
            () ->
                new GuardConfig(
                    GuardConfig.Act.OFF,
                    Map.of("number", new RewardConfig.Number(1, NumberAnswer.Place.LAST)),
                    new GuardConfig.Bounds(0.5, 2),
                    STOP.truncated(),
                    STOP.repeated(),
                    STOP.kl(),
                    1.5,
                    0,
                    0))
        .hasMessage(
            "rewards is given, allowed: {} with act = off, which measures nothing;"
                + " longer.warn is 0.5, allowed: above 1: it is a factor of the length at the start;"
                + " length-correlation is 1.5, allowed: from 0 to 1; falls is 0, allowed: at"
                + " least 1; standard-errors is 0, allowed: above 0");
  }

  private static Rollout rollout(int... tokens) {
    return new Rollout(
        new Prompt("p", "p", TokenIds.of(1)),
        new TokenIds(tokens),
        "",
        new Floats(new float[tokens.length]),
        FinishReason.LENGTH,
        0);
  }
}
