package dev.troupe.models.peft;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;

/** AdaLoRA's schedule of ranks, by PEFT 0.21.2's numbers. */
final class AdaLoraTest {
  /** Four ranks of two layers become two of each: steps 0 to 12. */
  @Test
  void budget_isPefts() {
    AdaLora.Budget budget = new AdaLora.Budget(2, 2, 3, 2, 0.85, 0.85, 0.5, 12);
    assertThat(IntStream.rangeClosed(0, 12).map(step -> budget.of(step, 2, 4)))
        .containsExactly(8, 8, 8, 6, 5, 4, 4, 4, 4, 4, 4, 4, 4);
    assertThat(IntStream.rangeClosed(0, 12).filter(budget::chooses)).containsExactly(4, 6, 8, 9);
  }
}
