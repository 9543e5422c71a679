package dev.troupe.rlhf.evaluation;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import dev.troupe.protocol.data.Floats;
import java.util.List;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.constraints.IntRange;
import org.junit.jupiter.api.Test;

class EstimatesTest {
  @Test
  void passAtK_byHand() {
    // Of the 10 pairs out of 5, 3 hold none of the 2 right ones.
    assertThat(PassAtK.estimate(5, 2, 2)).isCloseTo(0.7, within(1e-15));
    assertThat(PassAtK.estimate(10, 0, 3)).isZero();
    assertThat(PassAtK.estimate(10, 8, 3)).isEqualTo(1);
    assertThat(PassAtK.estimate(1, 1, 1)).isEqualTo(1);
    assertThatThrownBy(() -> PassAtK.estimate(2, 1, 3))
        .hasMessage("n is 2, c is 1, k is 3, must be 1 ≤ k ≤ n and 0 ≤ c ≤ n");
  }

  /** The share of all choices of k out of n, counted one by one, that hold a right one. */
  @Property
  void passAtK_isTheShareOfChoices(
      @ForAll @IntRange(min = 1, max = 10) int n,
      @ForAll @IntRange(min = 0, max = 10) int right,
      @ForAll @IntRange(min = 1, max = 10) int choose) {
    int c = Math.min(n, right);
    int k = Math.min(n, choose);
    int all = 0;
    int hold = 0;
    for (int choice = 0; choice < 1 << n; choice++) {
      if (Integer.bitCount(choice) == k) {
        all++;
        hold += (choice & ((1 << c) - 1)) != 0 ? 1 : 0;
      }
    }
    assertThat(PassAtK.estimate(n, c, k)).isCloseTo((double) hold / all, within(1e-12));
  }

  @Test
  void mean_byHand() {
    Mean mean = Mean.of(List.of(1.0, 2.0, 3.0));
    assertThat(mean.mean()).isEqualTo(2);
    assertThat(mean.low().getAsDouble()).isCloseTo(2 - 4.302653 / Math.sqrt(3), within(1e-6));
    assertThat(mean.high().getAsDouble()).isCloseTo(2 + 4.302653 / Math.sqrt(3), within(1e-6));
    assertThat(mean.count()).isEqualTo(3);
    assertThat(Mean.of(List.of(5.0)).low()).isEmpty();
  }

  /** Student's table, 97.5 %. */
  @Test
  void quantile_isTheTables() {
    double[][] table = {
      {1, 12.706205},
      {2, 4.302653},
      {3, 3.182446},
      {4, 2.776445},
      {5, 2.570582},
      {10, 2.228139},
      {30, 2.042272},
      {1000, 1.962339}
    };
    for (double[] row : table) {
      assertThat(Mean.quantile((int) row[0]) / row[1]).isCloseTo(1, within(0.002));
    }
  }

  @Test
  void labels_byHand() {
    Floats word = Floats.of(-1, -3);
    assertThat(LabelScores.ofWord(word, ClassificationConfig.WordScore.SUM)).isEqualTo(-4);
    assertThat(LabelScores.ofWord(word, ClassificationConfig.WordScore.MEAN)).isEqualTo(-2);
    List<Double> words = List.of(Math.log(0.3), Math.log(0.1));
    assertThat(LabelScores.ofLabel(words, ClassificationConfig.Verbaliser.MEAN))
        .isCloseTo(Math.log(0.2), within(1e-15));
    assertThat(LabelScores.ofLabel(words, ClassificationConfig.Verbaliser.MAX))
        .isEqualTo(Math.log(0.3));
  }
}
