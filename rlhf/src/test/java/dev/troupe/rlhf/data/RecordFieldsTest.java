package dev.troupe.rlhf.data;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.troupe.protocol.data.ChatMessage;
import dev.troupe.rlhf.data.DataRecord.Completion;
import dev.troupe.rlhf.data.DataRecord.Dialogue;
import dev.troupe.rlhf.data.DataRecord.PlainText;
import dev.troupe.rlhf.data.DataRecord.Preference;
import dev.troupe.rlhf.data.PromptText.Chat;
import dev.troupe.rlhf.data.PromptText.Instruction;
import dev.troupe.rlhf.data.PromptText.Plain;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** A record's fields are used, or the record is refused, or what was left unused is counted. */
class RecordFieldsTest {
  private static final ChatMessage USER = new ChatMessage("user", "hi");
  private static final ChatMessage SAID = new ChatMessage("assistant", "yo");
  private static final String TURNS =
      "{\"role\": \"user\", \"content\": \"hi\"}, {\"role\": \"assistant\", \"content\": \"yo\"}";

  @TempDir private Path directory;
  private final Reading reading = Reading.unwatched();

  private DataRecord one(String json) throws IOException {
    return one(json, Columns.NONE, List.of());
  }

  private DataRecord one(String json, Columns columns, List<String> ignore) throws IOException {
    Path file = Files.writeString(directory.resolve("r.jsonl"), json);
    SourceConfig source =
        new SourceConfig(
            file.toString(),
            Optional.empty(),
            Shape.AUTO,
            Optional.empty(),
            Optional.empty(),
            columns,
            ignore);
    List<DataRecord> records = RecordFile.read(source, 10, 1, reading);
    assertThat(records).hasSize(1);
    return records.get(0);
  }

  private void refused(String json, String message) {
    assertThatThrownBy(() -> one(json))
        .isInstanceOf(DataException.class)
        .hasMessage(directory.resolve("r.jsonl") + ":1: " + message);
  }

  private List<String> notices() {
    return reading.notices().stream().map(notice -> notice.replace(directory + "/", "")).toList();
  }

  private static Object tools(String name) {
    return List.of(Map.of("type", "function", "name", name));
  }

  @Test
  void dialogue_withAllAroundIt_keepsAll() throws IOException {
    Dialogue dialogue =
        (Dialogue)
            one(
                "{\"messages\": ["
                    + TURNS
                    + "], \"system\": \"s\", \"tools\": [{\"type\": \"function\", \"name\": \"f\"}],"
                    + " \"documents\": [{\"title\": \"t\"}], \"chat_template_kwargs\":"
                    + " {\"enable_thinking\": false}, \"id\": 7, \"source\": null, \"tags\": []}");
    assertThat(dialogue.messages()).containsExactly(new ChatMessage("system", "s"), USER, SAID);
    assertThat(dialogue.conversation().variables())
        .isEqualTo(
            Map.of(
                "tools",
                tools("f"),
                "documents",
                List.of(Map.of("title", "t")),
                "enable_thinking",
                false));
    assertThat(notices()).containsExactly("r.jsonl: left unused: id (1 record)");
  }

  /** Tables have tools and turns as text, since their columns have one type. */
  @Test
  void dialogue_toolsAndTurnsAsJsonInText_areRead() throws IOException {
    Dialogue dialogue =
        (Dialogue)
            one(
                "{\"conversations\": \"[{\\\"from\\\": \\\"human\\\", \\\"value\\\": \\\"hi\\\"}]\","
                    + " \"tools\": \"[{\\\"type\\\": \\\"function\\\", \\\"name\\\": \\\"f\\\"}]\"}");
    assertThat(dialogue.messages()).containsExactly(USER);
    assertThat(dialogue.conversation().variables()).isEqualTo(Map.of("tools", tools("f")));
  }

  @Test
  void turns_withFieldsOfTheirOwn_keepThem() throws IOException {
    Dialogue dialogue =
        (Dialogue)
            one(
                "{\"messages\": [{\"role\": \"user\", \"content\": \"hi\", \"name\": \"Ann\"},"
                    + " {\"role\": \"assistant\", \"content\": null, \"tool_calls\": [{\"id\":"
                    + " \"1\"}]}, {\"role\": \"tool\", \"tool_call_id\": \"1\", \"content\": \"x\"},"
                    + " {\"role\": \"assistant\", \"content\": \"yo\", \"weight\": 1, \"extra\":"
                    + " null}]}");
    Map<String, Object> call = new java.util.HashMap<>();
    call.put("content", null);
    call.put("tool_calls", List.of(Map.of("id", "1")));
    assertThat(dialogue.messages())
        .containsExactly(
            new ChatMessage("user", "hi", Map.of("name", "Ann")),
            new ChatMessage("assistant", "", call),
            new ChatMessage("tool", "x", Map.of("tool_call_id", "1")),
            SAID);
  }

  @Test
  void turns_ofShareGptTools_areCallsAndAnswers() throws IOException {
    Dialogue dialogue =
        (Dialogue)
            one(
                "{\"conversations\": [{\"from\": \"human\", \"value\": \"hi\"}, {\"from\":"
                    + " \"function_call\", \"value\": \"{\\\"name\\\": \\\"f\\\", \\\"arguments\\\":"
                    + " {}}\"}, {\"from\": \"observation\", \"value\": \"3\"}, {\"from\": \"gpt\","
                    + " \"value\": \"yo\"}]}");
    Map<String, Object> fields = new java.util.HashMap<>();
    fields.put("content", null);
    fields.put(
        "tool_calls",
        List.of(
            Map.of("type", "function", "function", Map.of("name", "f", "arguments", Map.of()))));
    assertThat(dialogue.messages())
        .containsExactly(
            USER, new ChatMessage("assistant", "", fields), new ChatMessage("tool", "3"), SAID);
    refused(
        "{\"conversations\": [{\"from\": \"function_call\", \"value\": \"{}\"}]}",
        "a function_call is found an object without keys, expected {\"name\": text, \"arguments\":"
            + " object}");
  }

  @Test
  void content_asParts_isTheirText() throws IOException {
    Dialogue dialogue =
        (Dialogue)
            one(
                "{\"messages\": [{\"role\": \"user\", \"content\": [{\"type\": \"text\", \"text\":"
                    + " \"h\", \"image\": null, \"cache\": 1}, {\"type\": \"text\", \"text\": \"i\"}"
                    + "]}, {\"role\": \"assistant\", \"content\": \"yo\"}]}");
    List<Map<String, String>> parts =
        List.of(Map.of("type", "text", "text", "h"), Map.of("type", "text", "text", "i"));
    assertThat(dialogue.messages())
        .containsExactly(new ChatMessage("user", "hi", Map.of("content", parts)), SAID);
    assertThat(notices()).containsExactly("r.jsonl: left unused: content[].cache (1 record)");
    refused(
        "{\"messages\": [{\"role\": \"user\", \"content\": [{\"type\": \"image_url\", \"image_url\":"
            + " {}}]}]}",
        "\"content\" has a part of type \"image_url\", expected {\"type\": \"text\", \"text\":"
            + " text}: only text can be learned, so leave such records out");
    refused(
        "{\"messages\": [{\"role\": \"user\", \"content\": [{\"text\": \"a\"}]}]}",
        "\"content\" has a part that is found the keys [text], expected {\"type\": \"text\","
            + " \"text\": text}: only text can be learned, so leave such records out");
  }

  @Test
  void alpaca_systemAndHistory_standBeforeThePrompt() throws IOException {
    Completion record =
        (Completion)
            one(
                "{\"instruction\": \"i\", \"input\": \"\", \"output\": \"o\", \"system\": \"s\","
                    + " \"history\": [[\"hi\", \"yo\"]]}");
    assertThat(record.prompt())
        .isEqualTo(
            new Instruction(
                "i",
                "",
                new Setting(List.of(new ChatMessage("system", "s"), USER, SAID), Map.of())));
    Completion bare =
        (Completion)
            one(
                "{\"instruction\": \"i\", \"input\": \"\", \"output\": \"o\", \"system\": \"\","
                    + " \"history\": []}");
    assertThat(bare.prompt()).isEqualTo(new Instruction("i", ""));
    refused(
        "{\"instruction\": \"i\", \"output\": \"o\", \"history\": [\"hi\"]}",
        "\"history\" has text in it, expected pairs of a prompt and its answer: [[text, text], …]");
  }

  @ParameterizedTest
  @CsvSource({"true,true", "false,false", "0,false", "1,true", "'\"False\"',false"})
  void label_ofKto_saysWhatToImitate(String label, boolean desirable) throws IOException {
    String json = "{\"prompt\": \"p\", \"completion\": \"c\", \"label\": " + label + "}";
    assertThat(((Completion) one(json)).desirable()).isEqualTo(desirable);
    String messages = "{\"messages\": [" + TURNS + "], \"kto_tag\": " + label + "}";
    assertThat(((Dialogue) one(messages)).desirable()).isEqualTo(desirable);
    assertThat(notices()).isEmpty();
    Completion ignored = (Completion) one(json, Columns.NONE, List.of("label"));
    assertThat(ignored.desirable()).isTrue();
  }

  @Test
  void label_ofAnotherKind_isToldOrRefused() throws IOException {
    one("{\"prompt\": \"p\", \"completion\": \"c\", \"label\": \"poem\"}");
    assertThat(notices()).containsExactly("r.jsonl: left unused: label (1 record)");
    refused(
        "{\"prompt\": \"p\", \"completion\": \"c\", \"label\": 3}",
        "\"label\" is 3, expected true or false: whether the answer is one to imitate (KTO). If it"
            + " says something else, name it in the source's ignore");
  }

  @ParameterizedTest
  @ValueSource(strings = {"images", "image", "video", "audio"})
  void media_areRefused(String field) throws IOException {
    refused(
        "{\"prompt\": \"p\", \"completion\": \"c\", \"" + field + "\": [\"a.png\"]}",
        "has \""
            + field
            + "\", and only text can be learned; leave such records out, or name the field in the"
            + " source's ignore to learn from the text alone");
    one("{\"prompt\": \"p\", \"completion\": \"c\", \"" + field + "\": []}");
    one(
        "{\"prompt\": \"p\", \"completion\": \"c\", \"" + field + "\": [\"a.png\"]}",
        Columns.NONE,
        List.of(field));
  }

  @Test
  void records_thatContradictThemselves_areRefused() {
    refused(
        "{\"messages\": [{\"role\": \"system\", \"content\": \"a\"}, "
            + TURNS
            + "], \"system\": \"b\"}",
        "has a \"system\" and its turns begin with another; leave one of them out");
    refused(
        "{\"messages\": [{\"role\": \"user\", \"content\": \"hi\"}, {\"role\": \"assistant\","
            + " \"content\": \"yo\", \"weight\": 0.5}]}",
        "an assistant's turn has \"weight\": 0.5, expected 1 or true to learn it, or 0 or false to"
            + " leave it out of what is learned");
    refused(
        "{\"messages\": [{\"role\": \"assistant\", \"content\": \"yo\", \"train_detail\": [{}]}]}",
        "an assistant's turn says in detail which of its letters are learned, and a turn is learned"
            + " as a whole or not at all; split it, or remove the field");
    refused(
        "{\"prompt\": \"p\", \"chosen\": {\"role\": \"assistant\", \"content\": \"yo\","
            + " \"weight\": 0}, \"rejected\": \"r\"}",
        "the answer in \"chosen\" is marked as not to be learned, and a pair is learned by both of"
            + " its answers; leave the record out");
    refused(
        "{\"prompt\": \"p\", \"chosen\": \"a\", \"rejected\": \"r\", \"label\": false}",
        "has \"label\": false beside two answers, and whether that turns them round can't be told;"
            + " leave the record out, or name the field in the source's ignore to take the answers"
            + " as they are");
    refused(
        "{\"prompt\": \"other\", \"chosen\": ["
            + TURNS
            + "], \"rejected\": [{\"role\": \"user\", \"content\": \"hi\"}, {\"role\":"
            + " \"assistant\", \"content\": \"no\"}]}",
        "\"prompt\" is other than the turns that \"chosen\" and \"rejected\" begin with; leave it"
            + " out, or name it in the source's ignore");
    refused(
        "{\"messages\": [" + TURNS + "], \"chat_template_kwargs\": {\"tools\": []}}",
        "\"chat_template_kwargs\" has \"tools\", which is not the template's to be told there");
    refused(
        "{\"messages\": [" + TURNS + "], \"tools\": {\"a\": 1}}",
        "\"tools\" is an object, expected a list of objects");
    refused(
        "{\"messages\": [" + TURNS + "], \"documents\": [\"d\"]}",
        "\"documents\" has text in it, expected objects");
    refused(
        "{\"messages\": [" + TURNS + "], \"tools\": \"[{]\"}",
        "\"tools\" is text that is not valid JSON (Unexpected close marker ']': expected"
            + " '}')");
    refused(
        "{\"messages\": [{\"role\": \"assistant\", \"content\": null}]}",
        "\"content\" is null, expected text (null only beside tool_calls)");
    refused("{\"messages\": [\"hi\"]}", "a turn in \"messages\" is text, expected an object");
    refused(
        "{\"messages\": [{\"role\": \"user\", \"content\": \"Hi\", \"value\": \"Ho\"}]}",
        "a turn has both \"value\" and \"content\", which mean the same; leave one out");
    refused(
        "{\"conversations\": [{\"from\": \"human\", \"role\": \"assistant\", \"value\": \"Ho\"}]}",
        "a turn has both \"from\" and \"role\", which mean the same; leave one out");
  }

  @Test
  void completion_ofSeveralTurns_isADialogueBehindItsPrompt() throws IOException {
    String masked = ", {\"role\": \"assistant\", \"content\": \"no\", \"weight\": 0}]";
    Dialogue dialogue =
        (Dialogue)
            one(
                "{\"prompt\": [{\"role\": \"user\", \"content\": \"hi\"}], \"completion\": ["
                    + TURNS
                    + masked
                    + ", \"system\": \"s\"}");
    assertThat(dialogue.prompt()).isEqualTo(2);
    assertThat(dialogue.masked()).containsExactly(4);
    assertThat(dialogue.messages())
        .containsExactly(
            new ChatMessage("system", "s"), USER, USER, SAID, new ChatMessage("assistant", "no"));
  }

  @ParameterizedTest
  @CsvSource({
    "weight, 0", "train, false", "training, false", "trainable, false", "loss, false",
    "loss, 0", "loss_weight, 0.0", "loss_scale, 0", "weight, '\"0\"'", "loss, '\"False\"'"
  })
  void turn_markedAsNotToLearn_isMasked(String field, String value) throws IOException {
    Dialogue dialogue =
        (Dialogue)
            one(
                "{\"messages\": ["
                    + TURNS
                    + ", {\"role\": \"assistant\", \"content\": \"no\", \""
                    + field
                    + "\": "
                    + value
                    + "}], \"system\": \"s\"}");
    assertThat(dialogue.masked()).containsExactly(3);
    assertThat(dialogue.messages().get(3)).isEqualTo(new ChatMessage("assistant", "no"));
  }

  @ParameterizedTest
  @CsvSource({
    "label, false",
    "label, 0",
    "label, -1",
    "label, '\"undesirable\"'",
    "label, '\"Bad\"'",
    "label, '\"thumbs down\"'",
    "kto_tag, '\"False\"'",
    "desirable, false",
    "is_desirable, 0",
    "undesirable, true",
    "train, false",
    "weight, 0",
    "loss, false"
  })
  void record_markedAsNotToImitate_isMarkedInEveryShape(String field, String value)
      throws IOException {
    String mark = ", \"" + field + "\": " + value + "}";
    assertThat(((Completion) one("{\"prompt\": \"p\", \"completion\": \"c\"" + mark)).desirable())
        .isFalse();
    assertThat(((Completion) one("{\"question\": \"p\", \"answer\": \"c\"" + mark)).desirable())
        .isFalse();
    assertThat(((Completion) one("{\"instruction\": \"p\", \"output\": \"c\"" + mark)).desirable())
        .isFalse();
    assertThat(((Dialogue) one("{\"messages\": [" + TURNS + "]" + mark)).desirable()).isFalse();
    assertThat(((PlainText) one("{\"text\": \"t\"" + mark)).desirable()).isFalse();
    String task = "{\"instruction\": \"i\", \"instances\": [{\"input\": \"a\", \"output\": \"b\"";
    assertThat(((Completion) one(task + "}]" + mark)).desirable()).isFalse();
    assertThat(((Completion) one(task + mark + "]}")).desirable()).isFalse();
    assertThat(notices()).isEmpty();
  }

  @ParameterizedTest
  @CsvSource({"label, true", "label, 1", "label, '\"good\"'", "undesirable, false", "desirable, 1"})
  void record_markedAsToImitate_isTaken(String field, String value) throws IOException {
    assertThat(((PlainText) one("{\"text\": \"t\", \"" + field + "\": " + value + "}")).desirable())
        .isTrue();
    assertThat(notices()).isEmpty();
  }

  @Test
  void completion_turnWithFields_keepsThem() throws IOException {
    Completion record =
        (Completion)
            one(
                "{\"prompt\": [{\"role\": \"user\", \"content\": \"hi\"}], \"completion\":"
                    + " [{\"role\": \"assistant\", \"content\": \"yo\", \"reasoning_content\":"
                    + " \"hm\"}], \"tools\": [{\"type\": \"function\", \"name\": \"f\"}]}");
    assertThat(record.answer())
        .isEqualTo(new Answer("yo", Map.of("reasoning_content", "hm"), true));
    assertThat(((Chat) record.prompt()).conversation().variables())
        .isEqualTo(Map.of("tools", tools("f")));
  }

  @Test
  void columns_nameFields() throws IOException {
    Columns columns =
        Columns.of(Map.of("prompt", "question", "completion", "best_answer", "label", "good"));
    Completion record =
        (Completion)
            one(
                "{\"question\": \"p\", \"best_answer\": \"c\", \"good\": false, \"id\": 3}",
                columns,
                List.of("id"));
    assertThat(record)
        .isEqualTo(new Completion(record.origin(), new Plain("p"), Answer.of("c"), false));
    assertThat(notices()).isEmpty();
    assertThatThrownBy(() -> one("{\"q\": \"p\"}", columns, List.of()))
        .hasMessageMatching(
            ".*:1: columns\\.(prompt names \"question\"|completion names \"best_answer\"|label names"
                + " \"good\"), but found the keys \\[q\\]");
    assertThatThrownBy(
            () ->
                one(
                    "{\"question\": \"p\", \"prompt\": \"x\", \"best_answer\": \"c\", \"good\": 1}",
                    columns,
                    List.of()))
        .hasMessageEndingWith(
            "columns.prompt names \"question\", but there is a \"prompt\" too; name that in the"
                + " source's ignore");
    assertThatThrownBy(() -> Columns.of(Map.of("prompt", "a", "text", "a")))
        .hasMessage("text is a, allowed: a field that prompt is not already");
    assertThatThrownBy(() -> Columns.of(Map.of("prompt", " ")))
        .hasMessage("prompt is empty, allowed: the name of a field of the file");
  }

  @Test
  void preferences_ofOtherNames_areMappedToo() throws IOException {
    Columns columns =
        Columns.of(Map.of("prompt", "q", "chosen", "a", "rejected", "b", "margin", "by"));
    Preference pair =
        (Preference)
            one("{\"q\": \"p\", \"a\": \"c\", \"b\": \"r\", \"by\": 2}", columns, List.of());
    assertThat(pair).isEqualTo(new Preference(pair.origin(), new Plain("p"), "c", "r", 2));
  }

  @ParameterizedTest
  @CsvSource({
    "'{\"prompt\":\"a\",\"completion\":\"b\\ud83d\"}', 2, completion, d83d",
    "'{\"prompt\":\"\\ude00\",\"completion\":\"b\"}', 1, prompt, de00",
    "'{\"messages\":[{\"role\":\"user\",\"content\":\"\\ude00\\ud83d\"}]}', 1, messages[0].content, de00",
    "'{\"text\":\"t\",\"a\\ud83d\":1}', 2, a key, d83d"
  })
  void loneSurrogates_areRefused(String json, int at, String where, String unit) {
    refused(
        json,
        where
            + ": character "
            + at
            + " is half a character (the lone surrogate \\u"
            + unit
            + "); write both halves, or U+FFFD in its place");
  }

  @Test
  void text_thatIsNotJsonsOrUnicodes_isRefused() throws IOException {
    refused(
        "{\"text\": \"a\\ufdd0\"}",
        "text: character 2 is U+FDD0, a noncharacter that no text should have; remove it or write"
            + " U+FFFD");
    assertThatThrownBy(() -> one("{\"text\": \"a\", \"text\": \"b\"}"))
        .hasMessageContaining(":1: is not valid JSON at column")
        .hasMessageContaining("Duplicate field 'text'");
    assertThatThrownBy(() -> one("{\"text\": \"a\", \"n\": NaN}"))
        .hasMessageContaining(":1: is not valid JSON at column")
        .hasMessageContaining("Non-standard token 'NaN'");
    assertThat(one("{\"text\": \"\\ud83d\\ude00\"}").toString()).contains("\ud83d\ude00");
    assertThat(Collections.frequency(reading.notices(), "")).isZero();
  }
}
