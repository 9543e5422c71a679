package dev.troupe.rlhf.reward;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import dev.troupe.protocol.data.FinishReason;
import dev.troupe.protocol.data.Floats;
import dev.troupe.protocol.data.Prompt;
import dev.troupe.protocol.data.Rollout;
import dev.troupe.protocol.data.TokenIds;
import dev.troupe.rlhf.reward.HackingGuard.Alarm;
import dev.troupe.rlhf.reward.HackingGuard.Measured;
import dev.troupe.rlhf.reward.HackingGuard.WinRate;
import java.util.List;
import java.util.Optional;
import java.util.OptionalDouble;
import org.junit.jupiter.api.Test;

class HackingGuardTest {
  private static final GuardConfig STOP = GuardConfig.of(GuardConfig.Act.STOP);
  private static final GuardConfig WARN = GuardConfig.of(GuardConfig.Act.WARN);
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
                "answers are longer than at the start, in the mean by the factor 1.60, allowed up"
                    + " to 1.50",
                false));
    assertThat(HackingGuard.look(STOP, List.of(start, lengths(21, 0.25, 0.31))))
        .hasSize(3)
        .allMatch(Alarm::stop);
    assertThat(HackingGuard.look(WARN, List.of(start, lengths(21, 0.25, 0.31))))
        .hasSize(3)
        .noneMatch(Alarm::stop);
  }

  @Test
  void scoreThatRisesAlone_warnsInTheSecond_andStopsInTheThirdEvaluation() {
    Measured start = scores(0, 1);
    Measured apart = scores(0.5, 1);
    assertThat(HackingGuard.look(STOP, List.of(start, apart))).isEmpty();
    assertThat(HackingGuard.look(STOP, List.of(start, apart, apart)))
        .containsExactly(
            new Alarm(
                "the score rose from 0.000 to 0.5000, and that of a scorer not trained on went from"
                    + " 1.000 to 1.000, in 2 evaluations in a row",
                false));
    assertThat(HackingGuard.look(STOP, List.of(start, apart, apart, apart)).get(0).stop()).isTrue();
    // Both rise; or the rise is within the score's own spread.
    assertThat(HackingGuard.look(STOP, List.of(start, apart, apart, scores(0.5, 1.1)))).isEmpty();
    assertThat(HackingGuard.look(STOP, List.of(start, apart, apart, scores(0.4, 0)))).isEmpty();
  }

  @Test
  void winRate_pastItsBest_isASign() {
    assertThat(HackingGuard.look(STOP, List.of(wins(0.5), wins(0.8), wins(0.71)))).isEmpty();
    assertThat(HackingGuard.look(STOP, List.of(wins(0.5), wins(0.8), wins(0.69))))
        .hasSize(1)
        .allMatch(Alarm::stop);
  }

  @Test
  void measures_byHand() {
    // 1 2 3 4 1 2 3 4: 1234 2341 3412 4123 1234, 4 of 5 different.
    assertThat(HackingGuard.repeated(List.of(rollout(1, 2, 3, 4, 1, 2, 3, 4), rollout(1))))
        .isCloseTo(0.1, within(1e-12));
    assertThat(HackingGuard.truncated(List.of(rollout(1)))).isEqualTo(1);
    assertThat(HackingGuard.lengthCorrelation(List.of(1.0, 2.0, 3.0), List.of(2, 4, 6)))
        .hasValueCloseTo(1.0, within(1e-12));
    // Deviations −1 0 1 and 1 −2 1: nothing in common.
    assertThat(HackingGuard.lengthCorrelation(List.of(1.0, 2.0, 3.0), List.of(5, 2, 5)))
        .hasValueCloseTo(0.0, within(1e-12));
    assertThat(HackingGuard.lengthCorrelation(List.of(1.0, 1.0), List.of(2, 4))).isEmpty();
  }

  @Test
  void bounds_standInOrder() {
    assertThatThrownBy(() -> new GuardConfig.Bounds(2, 1)).hasMessageContaining("at least warn");
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
