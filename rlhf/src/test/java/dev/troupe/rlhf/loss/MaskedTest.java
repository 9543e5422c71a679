package dev.troupe.rlhf.loss;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import dev.troupe.protocol.data.Floats;
import org.junit.jupiter.api.Test;

class MaskedTest {
  private static final Floats VALUES = Floats.of(1, Float.NaN, 3, 8);
  private static final boolean[] MASK = {true, false, true, true};

  @Test
  void statistics_maskedToken_doesNotCountEvenWhenNotANumber() {
    // 1, 3, 8: mean 4, squares 9 + 1 + 16 = 26.
    assertThat(Masked.sum(VALUES, MASK)).isEqualTo(12);
    assertThat(Masked.mean(VALUES, MASK)).isEqualTo(4);
    assertThat(Masked.variance(VALUES, MASK, Masked.Variance.UNBIASED)).isEqualTo(13);
    assertThat(Masked.variance(VALUES, MASK, Masked.Variance.BIASED))
        .isCloseTo(26 / 3.0, within(1e-12));
  }

  @Test
  void statistics_emptyMask_isZero() {
    boolean[] none = new boolean[4];
    assertThat(Masked.mean(VALUES, none)).isZero();
    assertThat(Masked.variance(VALUES, none, Masked.Variance.UNBIASED)).isZero();
  }

  @Test
  void variance_oneToken_isZeroThoughUnbiasedIsUndefined() {
    boolean[] one = {false, false, true, false};
    assertThat(Masked.mean(VALUES, one)).isEqualTo(3);
    assertThat(Masked.variance(VALUES, one, Masked.Variance.UNBIASED)).isZero();
    assertThat(Masked.variance(VALUES, one, Masked.Variance.BIASED)).isZero();
  }

  @Test
  void sum_maskOfAnotherLength_namesBothSizes() {
    assertThatThrownBy(() -> Masked.sum(VALUES, new boolean[3]))
        .hasMessage("values has 4 elements and responseMask has 3, they must be equal");
  }
}
