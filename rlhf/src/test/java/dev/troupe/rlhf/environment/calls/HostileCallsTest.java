package dev.troupe.rlhf.environment.calls;

import static org.assertj.core.api.Assertions.assertThat;

import java.time.Duration;
import java.util.List;
import java.util.Map;
import net.jqwik.api.Arbitraries;
import net.jqwik.api.Arbitrary;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.Provide;
import org.junit.jupiter.api.Assertions;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** Whatever is said: no exception, in a time that is bounded, and nothing made up. */
class HostileCallsTest {
  private static final Duration LIMIT = Duration.ofSeconds(60);

  private static final Map<ToolCallFormat, String> CALL =
      Map.of(
          ToolCallFormat.HERMES,
              "<tool_call>{\"name\": \"f\", \"arguments\": {\"a\": 1}}</tool_call>",
          ToolCallFormat.QWEN_CODER,
              "<tool_call><function=f><parameter=a>1</parameter></function></tool_call>",
          ToolCallFormat.LLAMA, "{\"name\": \"f\", \"parameters\": {\"a\": 1}};",
          ToolCallFormat.MISTRAL, "[TOOL_CALLS]f{\"a\": 1}",
          ToolCallFormat.GLM,
              "<tool_call>f<arg_key>a</arg_key><arg_value>1</arg_value></tool_call>",
          ToolCallFormat.GPT_OSS,
              "<|start|>assistant<|channel|>commentary to=functions.f<|message|>{\"a\": 1}<|call|>",
          ToolCallFormat.DEEPSEEK,
              "<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>f<｜tool▁sep｜>{\"a\": 1}<｜tool▁call▁end｜>"
                  + "<｜tool▁calls▁end｜>",
          ToolCallFormat.DEEPSEEK_DSML,
              "<｜DSML｜function_calls><｜DSML｜invoke name=\"f\"><｜DSML｜parameter name=\"a\""
                  + " string=\"false\">1</｜DSML｜parameter></｜DSML｜invoke></｜DSML｜function_calls>",
          ToolCallFormat.GEMMA, "<|tool_call>call:f{a:1}<tool_call|>",
          ToolCallFormat.LFM, "<|tool_call_start|>[f(a=1)]<|tool_call_end|>");

  private static final List<Map<String, Object>> TOOLS =
      List.of(Map.of("type", "function", "function", Map.of("name", "f")));

  private static Reply parse(ToolCallFormat format, String said) {
    return Assertions.assertTimeoutPreemptively(
        LIMIT, () -> format.parse(said, false, TOOLS), format + " takes too long");
  }

  /** Up to the value of its argument. */
  private static String begun(ToolCallFormat format) {
    String call = CALL.get(format);
    return call.substring(0, call.lastIndexOf("1"));
  }

  @ParameterizedTest
  @EnumSource(ToolCallFormat.class)
  void tenThousandCalls_areAllThere(ToolCallFormat format) {
    Reply reply = parse(format, CALL.get(format).repeat(10_000));
    assertThat(reply.calls()).hasSize(10_000);
    assertThat(reply.malformed()).isEmpty();
    assertThat(reply.text()).isEmpty();
  }

  @ParameterizedTest
  @EnumSource(ToolCallFormat.class)
  void tenThousandThatAreCut_areCounted_upToABound(ToolCallFormat format) {
    Reply reply = parse(format, begun(format).repeat(10_000));
    assertThat(reply.calls()).isEmpty();
    assertThat(reply.malformed()).hasSizeBetween(1, 64);
    assertThat(reply.malformed()).allMatch(text -> text.length() <= 201);
  }

  @ParameterizedTest
  @EnumSource(ToolCallFormat.class)
  void megabytesAndDepth_areNoCalls(ToolCallFormat format) {
    for (String piece :
        List.of(
            "{",
            "[",
            "}",
            "\"",
            "\\",
            "<",
            "<tool_call>",
            "<think>",
            "{\"a\":",
            "\uD83D",
            "<|start|>",
            "[TOOL_CALLS]",
            "<|\"|>",
            "<｜tool▁call▁begin｜>")) {
      String filler = piece.repeat((1 << 20) / piece.length());
      assertThat(parse(format, filler).calls()).isEmpty();
      assertThat(parse(format, begun(format) + filler).calls()).isEmpty();
    }
    String nested = begun(format) + "[".repeat(100_000) + "]".repeat(100_000);
    String call = CALL.get(format);
    String end = call.substring(call.lastIndexOf("1") + 1);
    Reply reply = parse(format, nested + end);
    assertThat(reply.malformed().size() + reply.calls().size())
        .as("a text for the families that write text, else malformed")
        .isEqualTo(1);
  }

  /** Runs of what the families write, in any order. */
  @Provide
  Arbitrary<String> turns() {
    Arbitrary<String> call = Arbitraries.of(CALL.values());
    Arbitrary<String> part =
        Arbitraries.integers()
            .between(0, 40)
            .flatMap(from -> call.map(text -> text.substring(Math.min(from, text.length()))));
    Arbitrary<String> start =
        Arbitraries.integers()
            .between(0, 80)
            .flatMap(to -> call.map(text -> text.substring(0, Math.min(to, text.length()))));
    return Arbitraries.oneOf(
            call,
            part,
            start,
            Arbitraries.strings().ofMaxLength(10),
            Arbitraries.of("<think>", "</think>", "<|im_end|>", "</s>", "\n", "{", "}", "\"", ";"))
        .list()
        .ofMaxSize(12)
        .map(parts -> String.join("", parts));
  }

  private static long letters(String text) {
    return text.chars().filter(letter -> !Character.isWhitespace(letter)).count();
  }

  @Property(tries = 2000)
  void anyTurn_isReadWithoutException_andNothingIsMadeUp(
      @ForAll("turns") String said, @ForAll ToolCallFormat format, @ForAll boolean thinking) {
    Reply reply = format.parse(said, thinking, TOOLS);
    assertThat(reply.calls()).allMatch(call -> said.contains(call.name()));
    assertThat(letters(reply.text()) + letters(reply.thinking()))
        .isLessThanOrEqualTo(letters(said));
    assertThat(reply.malformed().size() + reply.calls().size()).isLessThanOrEqualTo(13 * 2);
    assertThat(format.parse(said, thinking, TOOLS)).isEqualTo(reply);
  }
}
