package dev.troupe.rlhf.data;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.troupe.protocol.data.ChatMessage;
import dev.troupe.rlhf.data.DataRecord.BarePrompt;
import dev.troupe.rlhf.data.DataRecord.Completion;
import dev.troupe.rlhf.data.DataRecord.Dialogue;
import dev.troupe.rlhf.data.DataRecord.PlainText;
import dev.troupe.rlhf.data.DataRecord.Preference;
import dev.troupe.rlhf.data.PromptText.Chat;
import dev.troupe.rlhf.data.PromptText.Instruction;
import dev.troupe.rlhf.data.PromptText.Plain;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.stream.Stream;
import java.util.zip.GZIPOutputStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

class RecordFileTest {
  private static final Origin FIRST = new Origin("f", 1);
  private static final ChatMessage HI = new ChatMessage("user", "hi");
  private static final ChatMessage HELLO = new ChatMessage("assistant", "hello");

  private static final ChatMessage GO = new ChatMessage("assistant", "go");

  @TempDir private Path directory;

  private String file(String name, String content) throws IOException {
    return Files.writeString(directory.resolve(name), content).toString();
  }

  private static List<DataRecord> read(String path) {
    return RecordFile.read(SourceConfig.of(path));
  }

  static Stream<Arguments> shapes() {
    return Stream.of(
        Arguments.of(
            "{\"prompt\": \"p\", \"completion\": \"c\"}",
            new Completion(FIRST, new Plain("p"), "c")),
        Arguments.of(
            "{\"prompt\": \"p\", \"response\": \"c\"}", new Completion(FIRST, new Plain("p"), "c")),
        Arguments.of(
            "{\"prompt\": [{\"role\": \"user\", \"content\": \"hi\"}], \"completion\":"
                + " [{\"role\": \"assistant\", \"content\": \"hello\"}]}",
            new Completion(FIRST, new Chat(List.of(HI)), Answer.of(HELLO), true)),
        Arguments.of(
            "{\"input\": \"p\", \"output\": \"c\"}", new Completion(FIRST, new Plain("p"), "c")),
        Arguments.of(
            "{\"query\": \"p\", \"response\": \"c\"}", new Completion(FIRST, new Plain("p"), "c")),
        Arguments.of(
            "{\"instruction\": \"i\", \"context\": \"x\", \"response\": \"o\", \"category\": \"c\"}",
            new Completion(FIRST, new Instruction("i", "x"), "o")),
        Arguments.of(
            "{\"question\": \"q\", \"answer\": \"a\"}", new Completion(FIRST, new Plain("q"), "a")),
        Arguments.of(
            "{\"instruction\": \"i\", \"input\": \"x\", \"output\": \"o\"}",
            new Completion(FIRST, new Instruction("i", "x"), "o")),
        Arguments.of(
            "{\"instruction\": \"i\", \"output\": \"o\"}",
            new Completion(FIRST, new Instruction("i", ""), "o")),
        Arguments.of(
            "{\"id\": 1, \"instruction\": \"i\", \"instances\": [{\"input\": \"x\", \"output\":"
                + " \"o\"}]}",
            new Completion(FIRST, new Instruction("i", "x"), "o")),
        Arguments.of(
            "{\"messages\": [{\"role\": \"user\", \"content\": \"hi\"}, {\"role\": \"assistant\","
                + " \"content\": \"hello\"}]}",
            new Dialogue(FIRST, List.of(HI, HELLO))),
        Arguments.of(
            "{\"conversations\": [{\"from\": \"human\", \"value\": \"hi\"}, {\"from\": \"gpt\","
                + " \"value\": \"hello\"}]}",
            new Dialogue(FIRST, List.of(HI, HELLO))),
        Arguments.of(
            "{\"prompt\": \"p\", \"chosen\": \"c\", \"rejected\": \"r\", \"margin\": 0.5}",
            new Preference(FIRST, new Plain("p"), "c", "r", .5)),
        Arguments.of(
            "{\"chosen\": [{\"role\": \"user\", \"content\": \"hi\"}, {\"role\": \"assistant\","
                + " \"content\": \"hello\"}], \"rejected\": [{\"role\": \"user\", \"content\":"
                + " \"hi\"}, {\"role\": \"assistant\", \"content\": \"go\"}]}",
            new Preference(FIRST, new Chat(List.of(HI)), Answer.of(HELLO), Answer.of(GO), 0)),
        Arguments.of(
            "{\"prompt\": \"hi\", \"chosen\": [{\"role\": \"assistant\", \"content\": \"hello\"}],"
                + " \"rejected\": [{\"role\": \"assistant\", \"content\": \"go\"}]}",
            new Preference(FIRST, new Chat(List.of(HI)), Answer.of(HELLO), Answer.of(GO), 0)),
        Arguments.of(
            "{\"chosen\": \"\\n\\nHuman: hi\\n\\nAssistant: hey\\n\\nHuman: so?\\n\\nAssistant: a"
                + " b\", \"rejected\": \"\\n\\nHuman: hi\\n\\nAssistant: hey\\n\\nHuman:"
                + " so?\\n\\nAssistant: a c\"}",
            new Preference(
                FIRST,
                new Plain("\n\nHuman: hi\n\nAssistant: hey\n\nHuman: so?\n\nAssistant:"),
                " a b",
                " a c",
                0)),
        Arguments.of(
            "{\"instruction\": \"i\", \"input\": \"x\", \"chosen\": \"c\", \"rejected\": \"r\"}",
            new Preference(FIRST, new Instruction("i", "x"), "c", "r", 0)),
        Arguments.of(
            "{\"conversations\": [{\"from\": \"human\", \"value\": \"hi\"}], \"chosen\": {\"from\":"
                + " \"gpt\", \"value\": \"hello\"}, \"rejected\": {\"from\": \"gpt\", \"value\":"
                + " \"go\"}}",
            new Preference(FIRST, new Chat(List.of(HI)), Answer.of(HELLO), Answer.of(GO), 0)),
        Arguments.of(
            "{\"question\": \"q\", \"response_j\": \"good\", \"response_k\": \"bad\"}",
            new Preference(FIRST, new Plain("q"), "good", "bad", 0)),
        Arguments.of(
            "{\"prompt\": \"hi\", \"chosen\": [{\"role\": \"user\", \"content\": \"hi\"}, {\"role\":"
                + " \"assistant\", \"content\": \"hello\"}], \"rejected\": [{\"role\": \"user\","
                + " \"content\": \"hi\"}, {\"role\": \"assistant\", \"content\": \"go\"}]}",
            new Preference(FIRST, new Chat(List.of(HI)), Answer.of(HELLO), Answer.of(GO), 0)),
        Arguments.of("{\"prompt\": \"p\"}", new BarePrompt(FIRST, new Plain("p"))),
        Arguments.of("{\"question\": \"p\"}", new BarePrompt(FIRST, new Plain("p"))),
        Arguments.of("\"p\"", new BarePrompt(FIRST, new Plain("p"))),
        Arguments.of("{\"text\": \"t\"}", new PlainText(FIRST, "t")));
  }

  @ParameterizedTest
  @MethodSource("shapes")
  void read_eachShape_isRecognised(String json, DataRecord expected) throws IOException {
    String path = file("records.jsonl", json + "\n");
    assertThat(read(path)).containsExactly(at(expected, path, 1));
  }

  private static DataRecord at(DataRecord record, String file, long line) {
    Origin origin = new Origin(file, line);
    if (record instanceof Completion completion) {
      return new Completion(
          origin, completion.prompt(), completion.answer(), completion.desirable());
    } else if (record instanceof Dialogue dialogue) {
      return new Dialogue(
          origin,
          dialogue.conversation(),
          dialogue.prompt(),
          dialogue.masked(),
          dialogue.desirable());
    } else if (record instanceof Preference pair) {
      return new Preference(origin, pair.prompt(), pair.better(), pair.worse(), pair.margin());
    } else if (record instanceof BarePrompt bare) {
      return new BarePrompt(origin, bare.prompt());
    }
    return new PlainText(origin, ((PlainText) record).text());
  }

  @Test
  void read_linesWithBlanksAndMark_countsEveryLine() throws IOException {
    String path =
        file("r.jsonl", "\ufeff{\"text\": \"a\"}\n\n   \n{\"text\": \"b é\"}\r\n{\"text\": \"c\"}");
    assertThat(read(path))
        .containsExactly(
            new PlainText(new Origin(path, 1), "a"),
            new PlainText(new Origin(path, 4), "b é"),
            new PlainText(new Origin(path, 5), "c"));
  }

  @Test
  void read_arrayAndGzip_areTheSame() throws IOException {
    String json = " [\n {\"text\": \"a\"},\n {\"text\":\n \"b\"}\n]\n";
    List<String> texts = List.of("a", "b");
    List<DataRecord> plain = read(file("r.json", json));
    assertThat(plain).extracting(record -> ((PlainText) record).text()).isEqualTo(texts);
    assertThat(plain).extracting(record -> record.origin().line()).containsExactly(2L, 3L);
    Path zipped = directory.resolve("r.json.gz");
    Files.write(zipped, gzip(json));
    assertThat(read(zipped.toString()))
        .extracting(record -> ((PlainText) record).text())
        .isEqualTo(texts);
  }

  @Test
  void read_limit_stopsThere() throws IOException {
    String path = file("r.jsonl", "{\"text\": \"a\"}\n{\"text\": \"b\"}\nbroken");
    SourceConfig two =
        new SourceConfig(path, Optional.empty(), Shape.AUTO, Optional.of(2), Optional.empty());
    assertThat(RecordFile.read(two)).hasSize(2);
  }

  @Test
  void read_namedShape_overridesTheKeys() throws IOException {
    String path = file("r.jsonl", "{\"prompt\": \"p\", \"completion\": \"c\"}");
    SourceConfig prompts =
        new SourceConfig(path, Optional.empty(), Shape.PROMPT, Optional.empty(), Optional.empty());
    assertThat(RecordFile.read(prompts))
        .containsExactly(new BarePrompt(new Origin(path, 1), new Plain("p")));
  }

  static Stream<Arguments> broken() {
    return Stream.of(
        Arguments.of("", ": is empty, expected at least one record"),
        Arguments.of("[]", ": is empty"),
        Arguments.of("\n \n", ": is empty"),
        Arguments.of("{\"text\": \"a\"}\n{\"text\": \"b\"\n", ":2: is not valid JSON at column"),
        Arguments.of("{\"text\": \"a\"} {\"text\": \"b\"}", ":1: is not valid JSON at column"),
        Arguments.of("[{\"text\": \"a\"},\n{\"text\" \"b\"}]", ":2: is not valid JSON"),
        Arguments.of(
            "{\"foo\": 1, \"bar\": 2}",
            ":1: found the keys [foo, bar], which is no known shape of record; the source's columns"
                + " can name which key is which. Known shapes:\n  prompt-completion: {\"prompt\" (or"
                + " query, input): text"),
        Arguments.of(
            "[{\"text\": \"a\"}]\n[{\"text\": \"a\"}]",
            ":2: something follows the JSON array; expected one array of records and nothing else"),
        Arguments.of("[{\"text\": \"a\"},\n", ":2: is not valid JSON"),
        Arguments.of("[1, 2]", ":1: found a number, which is no known shape"),
        Arguments.of(
            "{\"prompt\": \"p\", \"completion\": 3}",
            ":1: \"completion\" is a number, expected text"),
        Arguments.of(
            "{\"text\": \"a\"}\n{\"prompt\": \"p\"}",
            ":2: found the keys [prompt], which is a record of shape prompt, but line 1 is of shape"
                + " text. A source holds one kind of record"),
        Arguments.of(
            "{\"messages\": [{\"role\": \"king\", \"content\": \"hi\"}]}",
            ":1: a turn in \"messages\" has the role \"king\", expected system, user (human),"
                + " assistant (gpt) or tool"),
        Arguments.of(
            "{\"messages\": []}", ":1: \"messages\" is an empty list, expected a list of one or"),
        Arguments.of(
            "{\"messages\": [{\"role\": \"user\"}]}",
            ":1: found the keys [role], expected \"content\" among them"),
        Arguments.of(
            "{\"chosen\": \"yes\", \"rejected\": \"no\"}",
            ":1: \"chosen\" and \"rejected\" share no turn that ends in \"\\n\\nAssistant:\""),
        Arguments.of(
            "{\"prompt\": \"p\", \"chosen\": \"c\", \"rejected\": \"r\", \"margin\": \"big\"}",
            ":1: \"margin\" is text, expected a number"),
        Arguments.of(
            "{\"prompt\": \"p\", \"chosen\": \"c\", \"rejected\": \"r\", \"margin\": true}",
            ":1: \"margin\" is true or false, expected a number"),
        Arguments.of(
            "{\"prompt\": \"p\", \"chosen\": \"c\", \"rejected\": \"r\", \"margin\": 1e39}",
            ":1: \"margin\" is 1.0E39, expected a finite number"));
  }

  @ParameterizedTest
  @MethodSource("broken")
  void read_brokenFile_saysWhereAndWhat(String content, String message) throws IOException {
    String path = file("broken.jsonl", content);
    assertThatThrownBy(() -> read(path))
        .isInstanceOf(DataException.class)
        .message()
        .startsWith(path + message);
  }

  @Test
  void read_namedShapeThatDoesNotFit_saysWhatIsExpected() throws IOException {
    String path = file("r.jsonl", "{\"text\": \"a\"}");
    SourceConfig alpaca =
        new SourceConfig(path, Optional.empty(), Shape.ALPACA, Optional.empty(), Optional.empty());
    assertThatThrownBy(() -> RecordFile.read(alpaca))
        .hasMessage(
            path
                + ":1: found the keys [text], expected \"instruction\" among them: a record of shape"
                + " alpaca is {\"instruction\": text, \"input\" (or context): text (may be left out),"
                + " \"output\" (or response): text}");
  }

  @Test
  void read_missingOrForeignFile_saysSo() {
    String missing = directory.resolve("none.jsonl").toString();
    assertThatThrownBy(() -> read(missing))
        .hasMessageStartingWith(missing + ": there is no such file");
    assertThatThrownBy(() -> read(directory.resolve("notes.txt").toString()))
        .hasMessageEndingWith(
            "; expected a .jsonl, .ndjson, .json, .csv or .tsv file, each plain or .gz, or a"
                + " .parquet file, a directory of such, or a glob");
  }

  @Test
  void read_cutOffOrFalseGzip_saysSo() throws IOException {
    byte[] whole = gzip("{\"text\": \"a\"}\n".repeat(1000));
    Path cut = directory.resolve("cut.jsonl.gz");
    Files.write(cut, Arrays.copyOf(whole, whole.length / 2));
    assertThatThrownBy(() -> read(cut.toString()))
        .isInstanceOf(DataException.class)
        .hasMessageContaining("cut.jsonl.gz: can't be read, it may be cut off");
    String notZipped = file("plain.jsonl.gz", "{\"text\": \"a\"}\n");
    assertThatThrownBy(() -> read(notZipped)).hasMessageContaining("Not in GZIP format");
  }

  @Test
  void read_notUtf8_saysSo() throws IOException {
    Path latin = directory.resolve("latin.jsonl");
    byte[] lines = "{\"text\": \"e\"}\n{\"text\": \"é\"}".getBytes(StandardCharsets.ISO_8859_1);
    Files.write(latin, lines);
    assertThatThrownBy(() -> read(latin.toString()))
        .hasMessage(latin + ":2: is not UTF-8 text; convert the file first");
    Path array = directory.resolve("latin.json");
    Files.write(
        array, "[{\"text\": \"e\"},\n{\"text\": \"é\"}]".getBytes(StandardCharsets.ISO_8859_1));
    assertThatThrownBy(() -> read(array.toString()))
        .hasMessage(array + ":2: is not UTF-8 text; convert the file first");
  }

  /** 64 MiB of one line, 64 KiB on disk. */
  @Test
  void read_endlessLineInASmallFile_isRefused() throws IOException {
    Path bomb = directory.resolve("bomb.jsonl.gz");
    try (OutputStream out = new GZIPOutputStream(Files.newOutputStream(bomb))) {
      byte[] letters = new byte[1 << 20];
      Arrays.fill(letters, (byte) '"');
      for (int i = 0; i < 64; i++) {
        out.write(letters);
      }
    }
    assertThatThrownBy(() -> RecordFile.read(SourceConfig.of(bomb.toString())))
        .isInstanceOf(DataException.class)
        .hasMessage(bomb + ":1: is longer than 33554432 bytes; expected one record on each line");
  }

  private static byte[] gzip(String text) throws IOException {
    ByteArrayOutputStream bytes = new ByteArrayOutputStream();
    try (GZIPOutputStream zip = new GZIPOutputStream(bytes)) {
      zip.write(text.getBytes(StandardCharsets.UTF_8));
    }
    return bytes.toByteArray();
  }
}
