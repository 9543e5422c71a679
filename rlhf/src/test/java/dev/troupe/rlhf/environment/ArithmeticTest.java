package dev.troupe.rlhf.environment;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.troupe.protocol.data.ChatMessage;
import dev.troupe.protocol.data.Prompt;
import dev.troupe.protocol.data.TokenIds;
import dev.troupe.rlhf.port.Environment;
import dev.troupe.rlhf.port.Environment.Action;
import dev.troupe.rlhf.port.Environment.Observation;
import dev.troupe.rlhf.port.Environment.ToolCall;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class ArithmeticTest {
  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "1+2*3|7",
        "(1+2)*3|9",
        "10-4-3|3",
        "100/8/2|6.25",
        "2^3^2|512",
        "-2^2|-4",
        "2^-1|0.5",
        "2**10|1024",
        "0.1+0.2|0.3",
        "1/3|0.3333333333333333",
        "1,234 + 1|1235",
        "1,234,567*1|1234567",
        "20%*50|10",
        "3 × 4 ÷ 2 − 1|5",
        "--5|5",
        "1.50|1.5",
        ".5*2|1",
        "5-5|0",
        "100*100|10000",
        "2 * -3|-6",
      })
  void of_expression_isItsValue(String expression, String value) {
    assertThat(Arithmetic.of(expression)).isEqualTo(value);
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "1/0|division by zero",
        "0^-1|division by zero",
        "2^0.5|whole number",
        "2^5000|at most 1000",
        "9^999|too large",
        "1+|ends too early",
        "(1+2|not closed",
        "(1+2]|unexpected ']'",
        "1 2|unexpected '2'",
        "1..2|1..2 is no number",
        "x+1|unexpected 'x'",
        "1,2|unexpected ','",
        "Runtime.exit(1)|unexpected 'R'",
        "''|ends too early",
      })
  void of_noExpression_isAWordForItsWriter(String expression, String message) {
    assertThatThrownBy(() -> Arithmetic.of(expression))
        .isInstanceOf(ArithmeticException.class)
        .hasMessageContaining(message);
  }

  @Test
  void of_hostile_isBounded() {
    assertThatThrownBy(() -> Arithmetic.of("(".repeat(400))).hasMessageContaining("too deeply");
    assertThatThrownBy(() -> Arithmetic.of("-".repeat(400) + "1"))
        .hasMessageContaining("too deeply");
    assertThatThrownBy(() -> Arithmetic.of("9".repeat(501))).hasMessageContaining("500 letters");
    assertThatThrownBy(() -> Arithmetic.of("9".repeat(100))).hasMessageContaining("too large");
    assertThatThrownBy(() -> Arithmetic.of("9^999^999")).isInstanceOf(ArithmeticException.class);
  }

  @Test
  void calculator_calls_areAnsweredInOrderAndFailuresCounted() throws Exception {
    Calculator calculator = new Calculator();
    Environment session =
        calculator.create(new Environment.Task(new Prompt("p", "", TokenIds.of(1)), "e", 1));

    assertThat(session.reset()).isEqualTo(Observation.none());
    Observation seen =
        session.step(
            new Action(
                "",
                List.of(
                    call("calculator", Map.of("expression", "6*7")),
                    call("search", Map.of("expression", "6*7")),
                    call("calculator", Map.of("text", "6*7")),
                    call("calculator", Map.of("expression", "6*")),
                    call("calculator", Map.of("expression", 5)))));

    assertThat(seen.messages().stream().map(ChatMessage::content))
        .containsExactly(
            "42",
            "error: there is no tool search, only calculator",
            "error: expected the argument expression, a text",
            "error: the expression ends too early",
            "5");
    assertThat(seen.failedCalls()).isEqualTo(3);
    assertThat(seen.done()).isFalse();
    assertThat(seen.reward()).isEmpty();
    assertThat(session.step(new Action("42", List.of())).done()).isTrue();
    assertThat(Between.name(calculator.tools().get(0))).isEqualTo("calculator");
  }

  private static ToolCall call(String name, Map<String, Object> arguments) {
    return new ToolCall("", name, Map.copyOf(arguments));
  }
}
