package dev.troupe.rlhf.loss;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import dev.troupe.protocol.data.Floats;
import org.junit.jupiter.api.Test;

class ImportanceWeightsTest {
  @Test
  void truncated_byHand() {
    Floats weights =
        ImportanceWeights.truncated(Floats.of(-1, -2, -3), Floats.of(-1, -1.5f, -5), 2);
    assertThat(weights.get(0)).isEqualTo(1);
    assertThat((double) weights.get(1)).isCloseTo(Math.exp(-0.5), within(1e-7));
    assertThat(weights.get(2)).isEqualTo(2);
  }

  @Test
  void truncated_withoutCap_isTheRatio() {
    Floats weights =
        ImportanceWeights.truncated(Floats.of(-3), Floats.of(-5), Double.POSITIVE_INFINITY);
    assertThat((double) weights.get(0)).isCloseTo(Math.exp(2), within(1e-6));
  }

  @Test
  void truncated_onExpectation_givesTheTrainedPolicysMean() {
    // Of f under π, from all of μ's outcomes: with no weight cut, E_μ[w f] = E_π[f].
    double[] trained = {0.5, 0.3, 0.2};
    double[] sampled = {0.4, 0.4, 0.2};
    double[] f = {1, -2, 5};
    double mean = 0;
    double expected = 0;
    for (int i = 0; i < f.length; i++) {
      Floats weight =
          ImportanceWeights.truncated(
              Floats.of((float) Math.log(trained[i])), Floats.of((float) Math.log(sampled[i])), 2);
      mean += sampled[i] * weight.get(0) * f[i];
      expected += trained[i] * f[i];
    }
    assertThat(mean).isCloseTo(expected, within(1e-6));
  }

  @Test
  void badInput_isRefused() {
    assertThatThrownBy(() -> ImportanceWeights.truncated(Floats.of(-1), Floats.of(-1, -2), 2))
        .hasMessage("trained has 1 elements and sampled has 2, they must be equal");
    assertThatThrownBy(() -> ImportanceWeights.truncated(Floats.of(-1), Floats.of(-1), 0))
        .hasMessage("cap is 0.0, must be above 0");
  }
}
