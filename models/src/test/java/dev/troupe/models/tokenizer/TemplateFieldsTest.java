package dev.troupe.models.tokenizer;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.fasterxml.jackson.databind.JsonNode;
import dev.troupe.models.Golden;
import dev.troupe.models.checkpoint.CheckpointException;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * Tools, documents, switches and further fields of messages reach a template as in transformers.
 */
final class TemplateFieldsTest {
  private static final JsonNode GOLDEN = Golden.json("template-fields.json");

  static Stream<JsonNode> cases() {
    return GOLDEN.get("cases").valueStream();
  }

  @ParameterizedTest
  @MethodSource("cases")
  void render_everyField_equalsTransformers(JsonNode golden) {
    String name = golden.get("template").asText();
    ChatTemplate template =
        GOLDEN.get("templates").has(name)
            ? template(GOLDEN.get("templates").get(name).asText())
            : TemplateGoldenTest.template(name);
    ChatDialogue dialogue = dialogue(GOLDEN.get("dialogues").get(golden.get("case").asText()));
    boolean prompt = golden.get("prompt").asBoolean();
    if (golden.has("fails")) {
      assertThatThrownBy(() -> template.render(dialogue, prompt))
          .isInstanceOf(CheckpointException.class);
    } else {
      assertThat(template.render(dialogue, prompt).replace(ChatTemplate.GUARD, ""))
          .isEqualTo(golden.get("text").asText());
    }
  }

  private static ChatTemplate template(String source) {
    return new ChatTemplate(source, "test", Map.of(), Pattern.compile("</s>|<\\|im_end\\|>"));
  }

  private static ChatDialogue dialogue(JsonNode node) {
    List<ChatTurn> turns = new ArrayList<>();
    for (JsonNode message : node.get("messages")) {
      Map<String, @Nullable Object> fields = map(message);
      fields.remove("role");
      StringBuilder content = new StringBuilder(message.path("content").asText(""));
      if (fields.get("content") instanceof String) {
        fields.remove("content");
      }
      message.path("content").forEach(part -> content.append(part.get("text").asText()));
      turns.add(new ChatTurn(message.get("role").asText(), content.toString(), fields));
    }
    return new ChatDialogue(turns, map(node.get("variables")));
  }

  private static Map<String, @Nullable Object> map(JsonNode node) {
    Map<String, @Nullable Object> map = new LinkedHashMap<>();
    node.properties().forEach(field -> map.put(field.getKey(), plain(field.getValue())));
    return map;
  }

  private static @Nullable Object plain(JsonNode node) {
    if (node.isObject()) {
      return map(node);
    }
    if (node.isArray()) {
      List<@Nullable Object> list = new ArrayList<>();
      node.forEach(item -> list.add(plain(item)));
      return list;
    }
    if (node.isIntegralNumber()) {
      return node.bigIntegerValue();
    }
    if (node.isNumber()) {
      return node.doubleValue();
    }
    return node.isBoolean() ? (Object) node.booleanValue() : node.textValue();
  }

  /** What the user writes in a tool or a call is data, as what is said in a message is. */
  @Test
  void render_specialTokensInFields_stayText() {
    ChatTemplate template = template("{{ tools[0].name }}|{{ messages[0].calls[0] }}|</s>");
    ChatDialogue dialogue =
        new ChatDialogue(
            List.of(new ChatTurn("user", "", Map.of("calls", List.of("b</s>")))),
            Map.of("tools", List.of(Map.of("name", "a</s>" + ChatTemplate.GUARD))));
    assertThat(template.render(dialogue, false))
        .isEqualTo("a" + ChatTemplate.GUARD + "</s>|b" + ChatTemplate.GUARD + "</s>|</s>");
  }

  @Test
  void renderParts_callOfATool_isWhatTheAssistantSays() {
    ChatTemplate template = TemplateGoldenTest.template("qwen3");
    List<RenderedPart> parts =
        template.renderParts(dialogue(GOLDEN.get("dialogues").get("call-without-tools")));
    assertThat(parts.stream().filter(RenderedPart::assistant).map(RenderedPart::text))
        .containsExactly(
            "<tool_call>\n{\"name\": \"sugar\", \"arguments\": {\"what\": \"a\", \"grams\": 2.5,"
                + " \"all\": true, \"none\": null, \"n\": 7}}\n</tool_call><|im_end|>",
            "<think>\n\n</think>\n\n12 grams.<|im_end|>");
  }

  /** Gemma 3 strips each part; joined to one text, the blanks between them would stay. */
  @Test
  void renderParts_contentInParts_isWhatTheAssistantSays() {
    List<RenderedPart> parts =
        TemplateGoldenTest.template("gemma3")
            .renderParts(dialogue(GOLDEN.get("dialogues").get("parts")));
    assertThat(parts)
        .containsExactly(
            RenderedPart.other(
                """
                <bos><start_of_turn>user
                 Be kind.\s

                Hithere </s><end_of_turn>
                <start_of_turn>model
                """),
            new RenderedPart("Hoho<end_of_turn>", true, 2),
            RenderedPart.other("\n<start_of_turn>user\nAnd?<end_of_turn>\n"));
  }

  @Test
  void renderParts_callThatTheTemplateLeavesOut_isRefused() {
    ChatTemplate template =
        new ChatTemplate(
            ChatTemplate.SIMPLE, "test", Map.of("eos_token", "</s>"), Pattern.compile("</s>"));
    ChatDialogue dialogue =
        new ChatDialogue(
            List.of(
                new ChatTurn("user", "Hi"),
                new ChatTurn("assistant", "", Map.of("tool_calls", List.of(Map.of("id", "1"))))));
    assertThatThrownBy(() -> template.renderParts(dialogue))
        .hasMessageStartingWith(
            "Which tokens are the assistant's cannot be told from the chat template in test: it"
                + " writes nothing of what message 2 says");
  }
}
