package dev.troupe.models.tokenizer;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.fasterxml.jackson.databind.JsonNode;
import dev.troupe.models.Golden;
import dev.troupe.models.checkpoint.CheckpointException;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.time.Clock;
import java.time.LocalDateTime;
import java.time.ZoneOffset;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** The structure of published templates, and the language by itself, against transformers. */
final class TemplateGoldenTest {
  /** When the golden files were made, as far as a template can tell. */
  static final Clock NOON =
      Clock.fixed(LocalDateTime.of(2025, 3, 7, 14, 5, 9).toInstant(ZoneOffset.UTC), ZoneOffset.UTC);

  static Stream<String> families() {
    try (var files = Files.list(Golden.path("templates"))) {
      return files
          .map(file -> file.getFileName().toString())
          .filter(name -> name.endsWith(".jinja"))
          .map(name -> name.substring(0, name.length() - ".jinja".length()))
          .sorted()
          .toList()
          .stream();
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  static ChatTemplate template(String family) {
    JsonNode golden = Golden.json("templates/" + family + ".json");
    Map<String, String> tokens = new LinkedHashMap<>();
    golden.get("tokens").properties().forEach(e -> tokens.put(e.getKey(), e.getValue().asText()));
    try {
      String source = Files.readString(Golden.path("templates/" + family + ".jinja"));
      return new ChatTemplate(source, family, tokens, specials(golden), NOON);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  static Pattern specials(JsonNode golden) {
    return Pattern.compile(
        golden
            .get("specials")
            .valueStream()
            .map(token -> Pattern.quote(token.asText()))
            .collect(Collectors.joining("|")));
  }

  static List<ChatTurn> dialogue(String name) {
    return turns(Golden.json("templates/dialogues.json").get("dialogues").get(name));
  }

  static List<ChatTurn> turns(JsonNode messages) {
    List<ChatTurn> turns = new ArrayList<>();
    messages.forEach(
        m -> turns.add(new ChatTurn(m.get("role").asText(), m.get("content").asText())));
    return turns;
  }

  @ParameterizedTest
  @MethodSource("families")
  void render_everyDialogue_equalsTransformers(String family) {
    ChatTemplate template = template(family);
    JsonNode cases = Golden.json("templates/" + family + ".json").get("cases");
    assertThat(cases).hasSize(32);
    cases.forEach(golden -> check(template, dialogue(golden.get("dialogue").asText()), golden));
  }

  private static void check(ChatTemplate template, List<ChatTurn> dialogue, JsonNode golden) {
    boolean prompt = golden.path("prompt").asBoolean();
    String what = golden.toString();
    if (golden.has("text")) {
      assertThat(template.render(dialogue, prompt).replace(ChatTemplate.GUARD, ""))
          .as(what)
          .isEqualTo(golden.get("text").asText());
      return;
    }
    if (golden.has("refused")) {
      assertThatThrownBy(() -> template.render(dialogue, prompt))
          .as(what)
          .isInstanceOf(CheckpointException.class)
          .hasMessageStartingWith("The chat template in test cannot be rendered: line 1: ")
          .hasMessageEndingWith(" is not supported");
      return;
    }
    assertThatThrownBy(() -> template.render(dialogue, prompt))
        .as(what)
        .isInstanceOf(CheckpointException.class)
        .hasMessageEndingWith(
            golden.has("refusal") ? " refuses the dialogue: " + golden.get("refusal").asText() : "")
        .hasMessageContaining(golden.has("refusal") ? "" : " cannot be rendered: line ");
  }

  static Stream<JsonNode> snippets() {
    return Golden.json("templates/snippets.json").valueStream();
  }

  @ParameterizedTest
  @MethodSource("snippets")
  void render_everyConstruct_equalsTransformersOrIsRefusedByName(JsonNode golden) {
    Map<String, String> tokens = Map.of("bos_token", "<s>", "eos_token", "</s>");
    ChatTemplate template =
        new ChatTemplate(
            golden.get("source").asText(), "test", tokens, Pattern.compile("</?s>"), NOON);
    List<ChatTurn> messages = turns(Golden.json("templates/dialogues.json").get("messages"));
    check(template, messages, golden);
  }
}
