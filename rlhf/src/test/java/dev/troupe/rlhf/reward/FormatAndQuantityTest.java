package dev.troupe.rlhf.reward;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import dev.troupe.rlhf.limits.OutOfLimits;
import dev.troupe.rlhf.port.Score;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class FormatAndQuantityTest {
  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "<think>2+2</think><answer>4</answer>                | 1",
        "' <think>2+2</think>\n\n<answer>4</answer>\n'       | 1",
        "<think>2+2</think><answer>4</answer> so             | 0",
        "So <think>2+2</think><answer>4</answer>             | 0",
        "<think>2+2</think> so <answer>4</answer>            | 0",
        "<answer>4</answer><think>2+2</think>                | 0",
        "<think> </think><answer>4</answer>                  | 0",
        "<think>2+2</think><answer></answer>                 | 0",
        "<think>a<think>b</think></think><answer>4</answer>  | 0",
        "<think>a</think><answer>4</answer></answer>         | 0",
        "<think>2+2<answer>4</answer></think>                | 0",
        "<think>2+2<answer>4</answer>                        | 0",
        "</think>2+2<think><answer>4</answer>                | 0",
        "''                                                  | 0",
      })
  void sections_areThereOnceInOrder_andNothingElse(String answer, double expected) {
    assertThat(new FormatRule(List.of("think", "answer"), FormatRule.Rest.NONE).score(answer, ""))
        .isEqualTo(Score.of(expected));
  }

  @Test
  void format_rest_mayBeWantedOrNot() {
    String alone = "<think>x</think> ";
    String more = "<think>x</think> 4";
    List<String> tags = List.of("think");
    assertThat(new FormatRule(tags, FormatRule.Rest.REQUIRED).score(alone, ""))
        .isEqualTo(Score.of(0));
    assertThat(new FormatRule(tags, FormatRule.Rest.REQUIRED).score(more, ""))
        .isEqualTo(Score.of(1));
    assertThat(new FormatRule(tags, FormatRule.Rest.ALLOWED).score(alone, ""))
        .isEqualTo(Score.of(1));
    assertThatThrownBy(
            () -> new RewardConfig.Format(1, List.of("<think>"), FormatRule.Rest.ALLOWED))
        .isInstanceOf(OutOfLimits.class)
        .hasMessageContaining("without < and >");
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "It is 1,234.          | 1234       | 1",
        "So $18.50 in all      | 18.5       | 1",
        "-5                    | 5          | 0",
        "−5                    | -5         | 1",
        "1/2                   | 0.5        | 1",
        "3/2                   | 1/2        | 0",
        "1 1/2                 | 1.5        | 1",
        "half is 2/4           | 1/2        | 1",
        "1.5 km                | 1500 m     | 1",
        "1.5 km                | 1500 g     | 0",
        "90 min                | 1.5 hours  | 1",
        "90 min                | 90         | 1",
        "10 m/s                | 36 km/h    | 1",
        "50%                   | 0.5        | 1",
        "50%                   | 50         | 1",
        "0.5                   | 50 %       | 1",
        "5%                    | 50         | 0",
        "12 apples             | 12         | 1",
        "12 apples             | 13 apples  | 0",
        "1.5e3                 | 1500       | 1",
        "2×10^3                | 2000       | 1",
        "2 x 10^{-2}           | 0.02       | 1",
        "first 3, then 4       | 4          | 1",
        "1/0                   | 4          | 0",
        "3.14159               | 3.1416     | 0",
        "no number             | 4          | 0",
        "1e307 km              | 5 m        | 0",
        "5 m                   | 1e307 km   | 0",
        "-1e307 km             | 1e307 km   | 0",
        "1e307 km              | 1e307 km   | 1",
        "4, or rather 1/0      | 4          | 0",
        "4, or rather 1e999    | 4          | 0",
        "1e999                 | 4          | 0",
        "1234567890123456789012345678901 | 123456789012345678901234567890 | 0",
      })
  void quantity_isComparedByItsValueAndUnit(String answer, String reference, double expected) {
    assertThat(new QuantityAnswer(1e-9).score(answer, reference)).isEqualTo(Score.of(expected));
  }

  @Test
  void quantity_toleranceIsRelative_andAReferenceWithoutANumberIsNone() {
    assertThat(new QuantityAnswer(1e-4).score("3.14159", "3.1416")).isEqualTo(Score.of(1));
    assertThat(new QuantityAnswer(0).score("4", "four"))
        .isEqualTo(new Score.Unscored("the reference has no number", "four"));
    assertThat(new QuantityAnswer(0).score("4", "1e999"))
        .isEqualTo(new Score.Unscored("the reference has no number", "1e999"));
    assertThat(new QuantityAnswer(0).score("1 ".repeat(50_000), "1")).isEqualTo(Score.of(1));
    assertThat(new QuantityAnswer(0).score("1,".repeat(50_000), "1")).isNotNull();
  }

  @Test
  void script_isTheShareOfLetters() {
    ScriptRule latin = new ScriptRule(List.of("latin"));
    assertThat(latin.score("abc 123 !", "")).isEqualTo(Score.of(1));
    assertThat(((Score.Value) latin.score("abж", "")).value()).isCloseTo(2 / 3.0, within(1e-12));
    assertThat(latin.score("42", "")).isEqualTo(Score.of(1));
    assertThat(new ScriptRule(List.of("Han", "Hiragana")).score("漢字ひ", "")).isEqualTo(Score.of(1));
    assertThatThrownBy(() -> new RewardConfig.Script(1, List.of("Latin", "Klingon")))
        .hasMessageContaining("unknown: Klingon");
  }
}
