package dev.troupe.rlhf.loss;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import org.junit.jupiter.api.Test;

class LogisticTest {
  @Test
  void logSigmoid_ordinaryArguments_matchesTheDefinition() {
    for (double x = -5; x <= 5; x += 0.5) {
      assertThat(Logistic.logSigmoid(x)).isCloseTo(Math.log(1 / (1 + Math.exp(-x))), within(1e-12));
      assertThat(Logistic.sigmoid(x)).isCloseTo(1 / (1 + Math.exp(-x)), within(1e-15));
      assertThat(Logistic.softplus(x)).isCloseTo(Math.log(1 + Math.exp(x)), within(1e-12));
    }
  }

  @Test
  void logSigmoid_hugeArguments_staysFiniteAndExact() {
    // The naive log(1 + exp(1000)) is infinite, and log(1 / (1 + exp(1000))) is minus infinity.
    assertThat(Logistic.logSigmoid(-1000)).isEqualTo(-1000);
    assertThat(Logistic.logSigmoid(1000)).isEqualTo(-0.0);
    assertThat(Logistic.softplus(1000)).isEqualTo(1000);
    assertThat(Logistic.softplus(-40)).isCloseTo(Math.exp(-40), within(1e-30));
    assertThat(Logistic.sigmoid(-1000)).isZero();
    assertThat(Logistic.sigmoid(1000)).isEqualTo(1);
  }

  @Test
  void logSoftmax_largeLogits_sumsToOne() {
    double[] logprobs = LogSoftmax.of(new double[] {1000, 1001, 999});
    // e^0 + e^1 + e^-1 = 4.086161; log 1.407606 above 1000.
    assertThat(logprobs[0]).isCloseTo(-1.407606, within(1e-6));
    assertThat(Math.exp(logprobs[0]) + Math.exp(logprobs[1]) + Math.exp(logprobs[2]))
        .isCloseTo(1, within(1e-12));
  }

  @Test
  void entropy_uniformAndCertain_isLogSizeAndZero() {
    assertThat(LogSoftmax.entropy(LogSoftmax.of(new double[] {7, 7, 7, 7})))
        .isCloseTo(Math.log(4), within(1e-12));
    assertThat(LogSoftmax.entropy(LogSoftmax.of(new double[] {0, -5000}))).isZero();
  }

  @Test
  void logSoftmax_noLogits_isAnError() {
    assertThatThrownBy(() -> LogSoftmax.of(new double[0]))
        .hasMessage("logits are empty, a distribution needs at least one");
  }
}
