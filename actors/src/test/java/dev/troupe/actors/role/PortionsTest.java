package dev.troupe.actors.role;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class PortionsTest {
  @ParameterizedTest
  @CsvSource({
    "0, 3, 1",
    "3, 8, 1",
    "64, 8, 8",
    "64, 4, 16",
    "4096, 256, 16",
    "80, 2, 16",
    "1000, 2, 125"
  })
  void size_isAShare_butFillsAnEngine(int prompts, int workers, int expected) {
    assertThat(Portions.size(prompts, workers)).isEqualTo(expected);
  }
}
