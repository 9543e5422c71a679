package dev.troupe.rlhf.selfinstruct;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Numbers of rouge_score 0.1.2 (rougeL, fmeasure, use_stemmer=False). */
class RougeLTest {
  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "Write a poem about the sea | Write a short poem about the deep blue sea | 0.8",
        "Give three tips | List 3 tips for staying healthy | 0.2222222222222222",
        "the the cat | the cat the | 0.6666666666666666",
        "Add up: 2+2=? | 2+2 is 4 | 0.5",
        "Describe a situation in which the given stereotype can harm you. | I am planning a 7-day"
            + " trip to Seattle. Can you make a detailed plan for me? | 0.21428571428571427",
        "ünïcode naïve words | unicode naive words | 0.25",
        "'' | nothing | 0"
      })
  void f_isRougeScores(String one, String other, double expected) {
    assertThat(RougeL.f(RougeL.words(one), RougeL.words(other))).isCloseTo(expected, within(1e-15));
    assertThat(RougeL.f(RougeL.words(other), RougeL.words(one))).isCloseTo(expected, within(1e-15));
  }
}
