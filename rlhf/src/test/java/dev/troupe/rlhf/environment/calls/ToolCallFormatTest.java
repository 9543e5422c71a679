package dev.troupe.rlhf.environment.calls;

import static dev.troupe.rlhf.environment.calls.ToolCallFormat.DEEPSEEK;
import static dev.troupe.rlhf.environment.calls.ToolCallFormat.DEEPSEEK_DSML;
import static dev.troupe.rlhf.environment.calls.ToolCallFormat.GEMMA;
import static dev.troupe.rlhf.environment.calls.ToolCallFormat.GLM;
import static dev.troupe.rlhf.environment.calls.ToolCallFormat.GPT_OSS;
import static dev.troupe.rlhf.environment.calls.ToolCallFormat.HERMES;
import static dev.troupe.rlhf.environment.calls.ToolCallFormat.LFM;
import static dev.troupe.rlhf.environment.calls.ToolCallFormat.LLAMA;
import static dev.troupe.rlhf.environment.calls.ToolCallFormat.MISTRAL;
import static dev.troupe.rlhf.environment.calls.ToolCallFormat.QWEN_CODER;
import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.json.JsonMapper;
import dev.troupe.rlhf.port.Environment.Action;
import dev.troupe.rlhf.port.Environment.ToolCall;
import java.io.IOException;
import java.io.InputStream;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestFactory;

/** Turns as published templates write them, and forms that transformers' parser does not know. */
class ToolCallFormatTest {
  private static final JsonMapper JSON = new JsonMapper();
  private static final List<Map<String, Object>> TOOLS =
      List.of(
          Map.of(
              "type",
              "function",
              "function",
              Map.of(
                  "name",
                  "f",
                  "parameters",
                  Map.of(
                      "type",
                      "object",
                      "properties",
                      Map.of(
                          "city",
                          Map.of("type", "string"),
                          "days",
                          Map.of("type", "integer"),
                          "share",
                          Map.of("type", "number"),
                          "metric",
                          Map.of("type", "boolean"))))));

  /** Made by make_tool_calls.py, which names the versions. */
  @TestFactory
  Stream<DynamicTest> peersCases() throws IOException {
    JsonNode golden;
    try (InputStream in =
        ToolCallFormatTest.class.getResourceAsStream(
            "/dev/troupe/rlhf/environment/tool-calls.json")) {
      golden = JSON.readTree(in);
    }
    List<Map<String, Object>> tools = new ArrayList<>();
    for (JsonNode tool : golden.get("tools")) {
      tools.add(object(tool));
    }
    assertThat(golden.get("cases")).hasSizeGreaterThan(90);
    return Stream.of(golden.get("cases"))
        .flatMap(cases -> cases.valueStream())
        .map(
            one ->
                DynamicTest.dynamicTest(
                    one.get("format").asText() + ": " + one.get("name").asText(),
                    () -> asPeer(one, tools)));
  }

  private static void asPeer(JsonNode one, List<Map<String, Object>> tools) throws IOException {
    Reply reply =
        ToolCallFormat.valueOf(one.get("format").asText())
            .parse(one.get("said").asText(), one.get("thinking").asBoolean(), tools);
    JsonNode expected = one.get("expected");
    if (expected.has("unread")) {
      assertThat(reply.calls()).isEmpty();
      assertThat(reply.malformed()).hasSize(1);
      assertThat(reply.text()).startsWith("<");
      return;
    }
    assertThat(reply.malformed()).isEmpty();
    assertThat(reply.text()).isEqualTo(expected.get("text").asText());
    assertThat(reply.thinking()).isEqualTo(expected.get("thinking").asText());
    List<Map<String, Object>> calls = new ArrayList<>();
    for (ToolCall call : reply.calls()) {
      calls.add(Map.of("name", call.name(), "arguments", call.arguments()));
    }
    assertThat(JSON.<JsonNode>valueToTree(calls)).isEqualTo(expected.get("calls"));
  }

  @SuppressWarnings("unchecked")
  private static Map<String, Object> object(JsonNode node) throws IOException {
    return JSON.treeToValue(node, Map.class);
  }

  private static Reply parse(ToolCallFormat format, String said) {
    return format.parse(said, false, TOOLS);
  }

  /** Whole calls and nothing else. */
  private static void calls(ToolCallFormat format, String said, ToolCall... expected) {
    Reply reply = parse(format, said);
    assertThat(reply.malformed()).as(said).isEmpty();
    assertThat(reply.calls()).as(said).containsExactly(expected);
    assertThat(reply.text()).as(said).isEmpty();
  }

  /** No call, one begun, and the text as it was. */
  private static void malformed(ToolCallFormat format, String said) {
    Reply reply = parse(format, said);
    assertThat(reply.calls()).as(said).isEmpty();
    assertThat(reply.malformed()).as(said).hasSize(1);
    assertThat(reply.text()).as(said).isEqualTo(said);
  }

  /** An answer, whatever it looks like. */
  private static void text(ToolCallFormat format, String said) {
    assertThat(parse(format, said)).as(said).isEqualTo(new Reply("", said, List.of(), List.of()));
  }

  private static ToolCall call(String name, Map<String, Object> arguments) {
    return new ToolCall("", name, arguments);
  }

  private static final ToolCall PARIS = call("f", Map.of("city", "Paris"));

  @Test
  void hermes_readsJson_notPatterns() {
    calls(
        HERMES,
        "<tool_call>{\"name\": \"f\", \"arguments\": {\"city\": \"</tool_call>\"}}</tool_call>",
        call("f", Map.of("city", "</tool_call>")));
    calls(
        HERMES,
        "<tool_call>{\"name\": \"f\", \"arguments\": \"{\\\"city\\\": \\\"Paris\\\"}\"}</tool_call>",
        PARIS);
    calls(
        HERMES,
        "<tool_call>{\"name\": \"f\", \"arguments\": {\"city\": \"<think>\"}}</tool_call>",
        call("f", Map.of("city", "<think>")));
    calls(HERMES, "<tool_call>{\"name\": \"f\"}</tool_call>", call("f", Map.of()));
    calls(
        HERMES,
        "<tool_call>{\"name\": \"f\", \"arguments\": null}</tool_call>",
        call("f", Map.of()));
    for (String inner :
        List.of(
            "{\"arguments\": {}}",
            "{\"name\": \"\", \"arguments\": {}}",
            "{\"name\": 7, \"arguments\": {}}",
            "{\"name\": \"f\", \"arguments\": [1]}",
            "{\"name\": \"f\", \"arguments\": \"Paris\"}",
            "{\"name\": \"f\", \"arguments\": {\"days\": 1e999}}",
            "{\"name\": \"f\", \"arguments\": {\"days\": NaN}}",
            "[{\"name\": \"f\"}]",
            "{\"name\": \"f\"} {\"name\": \"f\"}",
            "f(city=\"Paris\")",
            "")) {
      malformed(HERMES, "<tool_call>" + inner + "</tool_call>");
    }
    malformed(HERMES, "<tool_call>{\"name\": \"f\", \"arguments\": {}}");
  }

  /** What TRL's template reads otherwise, and what neither takes for a call. */
  @Test
  void lfm_readsPythonsLiterals() {
    calls(
        LFM,
        "<|tool_call_start|>[f(metric=True, city=None)]<|tool_call_end|>",
        call("f", mapOf("metric", true, "city", null)));
    calls(
        LFM,
        "<|tool_call_start|>[ f ( metric = false , city = null ) ] <|tool_call_end|>",
        call("f", mapOf("metric", false, "city", null)));
    calls(
        LFM,
        "<|tool_call_start|>[f(city='it\\'s \\\\ a\\n\\u00e9\\d, (b)')]<|tool_call_end|>",
        call("f", Map.of("city", "it's \\ a\né\\d, (b)")));
    calls(
        LFM,
        "<|tool_call_start|>[f(city=\"<|tool_call_end|>\", place={'a': [1, {}], \"b\": -2.5e3})]"
            + "<|tool_call_end|>",
        call(
            "f",
            Map.of(
                "city",
                "<|tool_call_end|>",
                "place",
                Map.of("a", List.of(1, Map.of()), "b", -2500.0))));
    calls(
        LFM,
        "<|tool_call_start|>[f()]<|tool_call_end|><|tool_call_start|>[a.b-c()]<|tool_call_end|>",
        call("f", Map.of()),
        call("a.b-c", Map.of()));
    for (String inner :
        List.of(
            "",
            "[]",
            "f()",
            "[f]",
            "[f(]",
            "[f(1)]",
            "[f(city)]",
            "[f(city=Paris)]",
            "[f(city='Paris)]",
            "[f(days=1e999)]",
            "[f(days=NaN)]",
            "[f(days=1, days=2)]",
            "[f(place={1: 2})]",
            "[f(names=[1)]",
            "[f() g()]",
            "[f(),]",
            "[f()] g()",
            "{\"name\": \"f\", \"arguments\": {}}")) {
      malformed(LFM, "<|tool_call_start|>" + inner + "<|tool_call_end|>");
    }
    malformed(LFM, "<|tool_call_start|>[f()]");
  }

  private static Map<String, Object> mapOf(String one, Object value, String two, Object other) {
    Map<String, Object> map = new HashMap<>();
    map.put(one, value);
    map.put(two, other);
    return map;
  }

  @Test
  void malformedCall_isText_andThoseAroundItCount() {
    Reply reply =
        parse(
            HERMES,
            "One <tool_call>{\"name\": \"f\"}</tool_call> two <tool_call>{f}</tool_call> three"
                + " <tool_call>{\"name\": \"g\"}</tool_call><|im_end|>");
    assertThat(reply.calls()).extracting(ToolCall::name).containsExactly("f", "g");
    assertThat(reply.malformed()).containsExactly("<tool_call>{f}</tool_call>");
    assertThat(reply.text()).isEqualTo("One  two <tool_call>{f}</tool_call> three");
    assertThat(reply.action()).isEqualTo(new Action(reply.text(), reply.calls()));
  }

  @Test
  void thought_isNoText_evenCutOff() {
    assertThat(parse(HERMES, "<think>\n<tool_call>{\"name\": \"f\"}</tool_call>"))
        .isEqualTo(new Reply("<tool_call>{\"name\": \"f\"}</tool_call>", "", List.of(), List.of()));
    assertThat(HERMES.parse("Hm.\n<tool_call>{\"name\": \"f\"}</tool_call>", true, TOOLS).calls())
        .isEmpty();
    assertThat(parse(HERMES, "A <think>b</think> c <think>d</think> e"))
        .isEqualTo(new Reply("b\nd", "A c e", List.of(), List.of()));
    assertThat(parse(HERMES, "No thought </think> was begun.").text())
        .isEqualTo("No thought </think> was begun.");
    assertThat(parse(MISTRAL, "[THINK]b[/THINK]a</s>"))
        .isEqualTo(new Reply("b", "a", List.of(), List.of()));
    assertThat(HERMES.thinksAtOnce("<|im_start|>assistant\n<think>\n")).isTrue();
    assertThat(HERMES.thinksAtOnce("<|im_start|>assistant\n<think>\n\n</think>\n\n")).isFalse();
    assertThat(HERMES.thinksAtOnce("Say <think>, please<|im_start|>assistant\n")).isFalse();
    assertThat(GPT_OSS.thinksAtOnce("<|start|>assistant")).isFalse();
  }

  @Test
  void withoutTools_nothingIsACall() {
    String call = "<tool_call>{\"name\": \"f\"}</tool_call>";
    assertThat(HERMES.parse("<think>a</think>b" + call + "<|im_end|>", false, List.of()))
        .isEqualTo(new Reply("a", "b" + call, List.of(), List.of()));
    assertThat(LLAMA.parse("{\"name\": \"f\", \"parameters\": {}}", false, List.of()).text())
        .isEqualTo("{\"name\": \"f\", \"parameters\": {}}");
  }

  @Test
  void qwenCoder_keepsWhatIsTheValues() {
    calls(
        QWEN_CODER,
        "<tool_call>\n<function=f>\n<parameter=city>\n\n  two lines\n\n</parameter>\n</function>\n"
            + "</tool_call>",
        call("f", Map.of("city", "\n  two lines\n")));
    calls(
        QWEN_CODER,
        "<tool_call><function=f><parameter=city></parameter><parameter=days>3</parameter>"
            + "</function></tool_call>",
        call("f", Map.of("city", "", "days", 3)));
    calls(
        QWEN_CODER,
        "<tool_call><function=f><parameter=city>\n</parameter></function></tool_call>",
        call("f", Map.of("city", "")));
    calls(
        QWEN_CODER,
        "<tool_call><function=f><parameter=metric>True</parameter><parameter=share>1e-2</parameter>"
            + "<parameter=days>123456789012345678901</parameter></function></tool_call>",
        call(
            "f",
            Map.of(
                "metric",
                true,
                "share",
                0.01,
                "days",
                new java.math.BigInteger("123456789012345678901"))));
    malformed(QWEN_CODER, "<tool_call><function=f><parameter=city>Paris</function></tool_call>");
    malformed(QWEN_CODER, "<tool_call><function=f><parameter=city>Paris</parameter></tool_call>");
    malformed(QWEN_CODER, "<tool_call><function=>\n</function></tool_call>");
    malformed(QWEN_CODER, "<tool_call>{\"name\": \"f\"}</tool_call>");
  }

  @Test
  void llama_takesBothKeys_severalCalls_andTheMark() {
    calls(LLAMA, "{\"name\": \"f\", \"parameters\": {\"city\": \"Paris\"}}<|eot_id|>", PARIS);
    calls(LLAMA, "{\"name\": \"f\", \"arguments\": {\"city\": \"Paris\"}}<|eot_id|>", PARIS);
    calls(
        LLAMA,
        "<|python_tag|>{\"name\": \"f\", \"parameters\": {\"city\": \"Paris\"}}<|eom_id|>",
        PARIS);
    calls(
        LLAMA,
        "{\"name\": \"f\", \"parameters\": {\"city\": \"Paris\"}}; {\"name\": \"g\","
            + " \"parameters\": {}}<|eot_id|>",
        PARIS,
        call("g", Map.of()));
    text(LLAMA, "{\"answer\": 4}");
    text(LLAMA, "{\"name\": \"Paris\", \"people\": 2}");
    text(LLAMA, "Call {\"name\": \"f\", \"parameters\": {}}");
    text(LLAMA, "{not JSON");
    malformed(LLAMA, "<|python_tag|>search.call(query=\"x\")");
    malformed(LLAMA, "{\"name\": \"f\", \"parameters\": {\"ci");
    malformed(LLAMA, "{\"name\": \"f\", \"parameters\": {}} and words");
    malformed(LLAMA, "{\"name\": \"f\", \"parameters\": {}}; words");
  }

  @Test
  void mistral_oldAndNew() {
    ToolCall named = new ToolCall("abcdefghi", "f", Map.of("city", "Paris"));
    calls(
        MISTRAL,
        "[TOOL_CALLS] [{\"name\": \"f\", \"arguments\": {\"city\": \"Paris\"}, \"id\":"
            + " \"abcdefghi\"}]</s>",
        named);
    calls(
        MISTRAL,
        "[TOOL_CALLS][{\"name\": \"f\", \"arguments\": {\"city\": \"Paris\"}}, {\"name\": \"g\","
            + " \"arguments\": {}}]</s>",
        PARIS,
        call("g", Map.of()));
    calls(
        MISTRAL,
        "[TOOL_CALLS]f{\"city\": \"Paris\"}[TOOL_CALLS]g{}</s>",
        PARIS,
        call("g", Map.of()));
    calls(MISTRAL, "[TOOL_CALLS]f[ARGS]{\"city\": \"Paris\"}</s>", PARIS);
    calls(MISTRAL, "[TOOL_CALLS]f[CALL_ID]abcdefghi[ARGS]{\"city\": \"Paris\"}</s>", named);
    assertThat(parse(MISTRAL, "I ask. [TOOL_CALLS]f{}</s>").text()).isEqualTo("I ask.");
    malformed(MISTRAL, "[TOOL_CALLS][{\"name\": \"f\"}, 7]");
    malformed(MISTRAL, "[TOOL_CALLS][]");
    malformed(MISTRAL, "[TOOL_CALLS]f[ARGS]{\"city\"");
    malformed(MISTRAL, "[TOOL_CALLS] call the tool f {}");
    Reply reply = parse(MISTRAL, "[TOOL_CALLS]f{x}[TOOL_CALLS]g{}");
    assertThat(reply.malformed()).containsExactly("[TOOL_CALLS]f{x}");
    assertThat(reply.calls()).extracting(ToolCall::name).containsExactly("g");
  }

  @Test
  void glm_endTokens_andNoNewlines() {
    calls(
        GLM, "<tool_call>f<arg_key>city</arg_key><arg_value>Paris</arg_value></tool_call>", PARIS);
    calls(
        GLM,
        "\n<think></think>\n<tool_call>f\n<arg_key>city</arg_key>\n<arg_value>Paris</arg_value>\n"
            + "</tool_call><|observation|>",
        PARIS);
    malformed(GLM, "<tool_call>f\n<arg_key>city</arg_key>\n</tool_call>");
    malformed(GLM, "<tool_call>\n</tool_call>");
    malformed(GLM, "<tool_call>some words</tool_call>");
  }

  @Test
  void gptOss_recipientInEitherPlace() {
    String json = "{\"city\": \"Paris\"}";
    for (String header :
        List.of(
            "<|channel|>commentary to=functions.f <|constrain|>json<|message|>",
            "<|channel|>commentary to=functions.f<|message|>",
            " to=functions.f<|channel|>commentary json<|message|>",
            " to=functions.f<|channel|>commentary <|constrain|>json<|message|>",
            "<|channel|>analysis to=functions.f code<|message|>")) {
      calls(GPT_OSS, header + json + "<|call|>", PARIS);
    }
    Reply reply =
        parse(
            GPT_OSS,
            "<|channel|>analysis<|message|>Hm.<|end|><|start|>assistant<|channel|>commentary"
                + "<|message|>I ask.<|end|><|start|>assistant<|channel|>commentary to=functions.f"
                + " <|constrain|>json<|message|>{\"city\": \"Paris\"}<|call|>");
    assertThat(reply).isEqualTo(new Reply("Hm.", "I ask.", List.of(PARIS), List.of()));
    assertThat(parse(GPT_OSS, "<|channel|>final<|message|>Four.<|return|>").text())
        .isEqualTo("Four.");
    text(GPT_OSS, "no header at all");
    malformed(GPT_OSS, "<|channel|>commentary to=functions.f <|constrain|>json<|message|>{\"ci");
    malformed(GPT_OSS, "<|channel|>commentary to=functions.f <|constrain|>js");
    malformed(GPT_OSS, "<|channel|>commentary to=python code<|message|>print(1)");
  }

  @Test
  void deepSeek_threeForms() {
    String begin = "<｜tool▁calls▁begin｜>";
    String end = "<｜tool▁calls▁end｜><｜end▁of▁sentence｜>";
    String fenced =
        "<｜tool▁call▁begin｜>function<｜tool▁sep｜>f\n```json\n{\"city\": \"Paris\"}\n```"
            + "<｜tool▁call▁end｜>";
    String bare = "<｜tool▁call▁begin｜>g<｜tool▁sep｜>{}<｜tool▁call▁end｜>";
    calls(DEEPSEEK, begin + fenced + end, PARIS);
    calls(DEEPSEEK, begin + fenced + "\n" + bare + end, PARIS, call("g", Map.of()));
    calls(
        DEEPSEEK,
        begin + bare.replace("g<", "f<").replace("{}", "{\"city\": \"Paris\"}") + end,
        PARIS);
    assertThat(DEEPSEEK.parse("Hm.</think>I ask." + begin + bare + end, true, TOOLS))
        .isEqualTo(new Reply("Hm.", "I ask.", List.of(call("g", Map.of())), List.of()));
    malformed(DEEPSEEK, begin);
    assertThat(parse(DEEPSEEK, begin + "<｜tool▁call▁begin｜>g<｜tool▁sep｜>{\"a\"").malformed())
        .hasSize(1);
    assertThat(
            parse(
                    DEEPSEEK,
                    begin + "<｜tool▁call▁begin｜>g<｜tool▁sep｜>words\n{}<｜tool▁call▁end｜>" + end)
                .calls())
        .isEmpty();
    String dsml =
        "<｜DSML｜function_calls>\n<｜DSML｜invoke name=\"f\">\n<｜DSML｜parameter name=\"city\""
            + " string=\"true\">Paris</｜DSML｜parameter>\n<｜DSML｜parameter name=\"days\""
            + " string=\"false\">3</｜DSML｜parameter>\n</｜DSML｜invoke>\n<｜DSML｜invoke name=\"g\">\n"
            + "</｜DSML｜invoke>\n</｜DSML｜function_calls>";
    calls(
        DEEPSEEK_DSML,
        dsml + "<｜end▁of▁sentence｜>",
        call("f", Map.of("city", "Paris", "days", 3)),
        call("g", Map.of()));
    malformed(DEEPSEEK_DSML, dsml.replace(">3<", ">three<"));
    malformed(DEEPSEEK_DSML, dsml.substring(0, dsml.length() - 10));
  }

  @Test
  void gemma_readsItsNotation() {
    calls(
        GEMMA,
        "<|tool_call>call:f{a:{b:[1,-2.5e3,null,true,[]]},s:<|\"|>},{<|\"|>, t : <|\"|><|\"|>}"
            + "<tool_call|><|tool_response>",
        call(
            "f",
            JSON.convertValue(
                tree("{\"a\":{\"b\":[1,-2500.0,null,true,[]]},\"s\":\"},{\",\"t\":\"\"}"),
                new com.fasterxml.jackson.core.type.TypeReference<Map<String, Object>>() {})));
    for (String inner :
        List.of(
            "f", "f{a}", "f{a:}", "f{a:1", "f{a:1,}", "f{a:x}", "f{a:<|\"|>x}", "{a:1}", "f{:1}")) {
      malformed(GEMMA, "<|tool_call>call:" + inner + "<tool_call|>");
    }
  }

  private static JsonNode tree(String json) {
    try {
      return JSON.readTree(json);
    } catch (IOException e) {
      throw new IllegalArgumentException(e);
    }
  }

  @Test
  void format_isThatOfTheTemplatesMarks() {
    Map<String, ToolCallFormat> marks =
        Map.of(
            "return a json object within <tool_call></tool_call> XML tags", HERMES,
            "<tool_call>\\n<function=' + tool_call.name + '>", QWEN_CODER,
            "{{ '<tool_call>' + tc.name }}\n<arg_key>{{ k }}</arg_key>", GLM,
            "{{- 'ipython<|end_header_id|>' }} {{- '\"parameters\": ' }}", LLAMA,
            "{{ \"[TOOL_CALLS] [\" }}", MISTRAL,
            "'<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>'", DEEPSEEK,
            "<｜DSML｜function_calls>", DEEPSEEK_DSML,
            "{{- \"functions.\" + tool_call.name + \"<|channel|>commentary \" }}", GPT_OSS,
            "'<|tool_call>call:' + name", GEMMA,
            "{{- '<|tool_call_start|>[' + (calls | join(', ')) + ']' }}", LFM);
    marks.forEach((template, format) -> assertThat(ToolCallFormat.of(template)).hasValue(format));
    assertThat(ToolCallFormat.of("{{ '<|im_start|>' + message.content }}")).isEmpty();
    assertThat(marks.values()).containsExactlyInAnyOrder(ToolCallFormat.values());
  }
}
