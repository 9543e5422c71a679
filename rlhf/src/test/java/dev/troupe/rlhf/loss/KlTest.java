package dev.troupe.rlhf.loss;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import dev.troupe.protocol.data.Floats;
import org.assertj.core.data.Offset;
import org.junit.jupiter.api.Test;

class KlTest {
  private static final Offset<Float> TOLERANCE = within(1e-6f);
  // d = .2, -.1, -.5
  private static final Floats LOGPROBS = Floats.of(-1, -.5f, -2);
  private static final Floats REFERENCE = Floats.of(-1.2f, -.4f, -1.5f);

  @Test
  void estimates_threeTokens_matchGoldenNumbers() {
    assertThat(Kl.K1.estimate(LOGPROBS, REFERENCE).values())
        .containsExactly(new float[] {.2f, -.1f, -.5f}, TOLERANCE);
    assertThat(Kl.K2.estimate(LOGPROBS, REFERENCE).values())
        .containsExactly(new float[] {.02f, .005f, .125f}, TOLERANCE);
    assertThat(Kl.K3.estimate(LOGPROBS, REFERENCE).values())
        .containsExactly(new float[] {.018731f, .005171f, .148721f}, TOLERANCE);
    assertThat(Kl.K1.sum(LOGPROBS, REFERENCE)).isCloseTo(-.4, within(1e-6));
  }

  @Test
  void k3_tinyDifference_doesNotCancelToZero() {
    assertThat(Kl.K3.estimate(1e-9, 0)).isCloseTo(5e-19, within(1e-25));
  }

  @Test
  void estimate_differentLengths_namesBothSizes() {
    assertThatThrownBy(() -> Kl.K1.estimate(LOGPROBS, Floats.of(1)))
        .hasMessage("logprobs has 3 elements and refLogprobs has 1, they must be equal");
  }

  @Test
  void adaptiveController_twiceTheTarget_risesAsTheGoldenNumber() {
    // 12/6 - 1 = 1, clipped to .2; .2 * (1 + .2 * 256 / 1e4) = .201024
    KlController next = new KlController.Adaptive(.2, 6, 1e4).after(12, 256);
    assertThat(next.coefficient()).isCloseTo(.201024, within(1e-9));
  }

  @Test
  void adaptiveController_belowTarget_falls() {
    KlController next = new KlController.Adaptive(.2, 6, 1e4).after(5.4, 1000);
    assertThat(next.coefficient()).isCloseTo(.2 * (1 - .1 * .1), within(1e-12));
  }

  @Test
  void adaptiveController_hugeStep_neverTurnsNegative() {
    KlController next = new KlController.Adaptive(.2, 6, 10).after(0, 1000);
    assertThat(next.coefficient()).isZero();
  }

  @Test
  void fixedController_anyKl_stays() {
    assertThat(new KlController.Fixed(.05).after(100, 100)).isEqualTo(new KlController.Fixed(.05));
  }

  @Test
  void controllers_badNumbers_areErrors() {
    assertThatThrownBy(() -> new KlController.Fixed(-1))
        .hasMessage("KL coefficient is -1.0, must be at least 0");
    assertThatThrownBy(() -> new KlController.Adaptive(.1, 0, 10)).hasMessageContaining("target");
  }
}
