package dev.troupe.rlhf.data;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.troupe.rlhf.data.DataRecord.Completion;
import dev.troupe.rlhf.data.DataRecord.Dialogue;
import dev.troupe.rlhf.data.DataRecord.PlainText;
import dev.troupe.rlhf.data.DataRecord.Preference;
import dev.troupe.rlhf.data.PromptText.Plain;
import java.io.IOException;
import java.io.OutputStream;
import java.math.BigInteger;
import java.net.URISyntaxException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.zip.GZIPOutputStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Files by their endings: tables, directories and globs. */
class SourceFilesTest {
  @TempDir private Path directory;
  private final Reading reading = Reading.unwatched();

  private Path write(String name, String content) throws IOException {
    Path file = directory.resolve(name);
    Files.createDirectories(file.getParent());
    return Files.writeString(file, content);
  }

  private List<DataRecord> read(Object path) {
    return RecordFile.read(SourceConfig.of(path.toString()), 100, 1, reading);
  }

  private List<String> texts(Object path) {
    return read(path).stream().map(record -> ((PlainText) record).text()).toList();
  }

  private static Path table(String name) {
    try {
      return Path.of(SourceFilesTest.class.getResource(name).toURI());
    } catch (URISyntaxException e) {
      throw new IllegalStateException(e);
    }
  }

  @Test
  void csv_quotedCells_areTextWithTheirLine() throws IOException {
    Path file =
        write(
            "t.CSV",
            "\ufeffprompt,completion,id\r\n\"a, \"\"b\"\"\r\nc\",d,1\r\n e ,\"\",2\r\nf,g,\r\n");
    List<DataRecord> records = read(file);
    assertThat(records)
        .containsExactly(
            new Completion(new Origin(file.toString(), 2), new Plain("a, \"b\"\r\nc"), "d"),
            new Completion(new Origin(file.toString(), 4), new Plain(" e "), ""),
            new Completion(new Origin(file.toString(), 5), new Plain("f"), "g"));
    assertThat(reading.notices()).containsExactly(file + ": left unused: id (2 records)");
  }

  @Test
  void tsv_andZipped_areRead() throws IOException {
    assertThat(texts(write("t.tsv", "text\tid\na,b\t1\n"))).containsExactly("a,b");
    Path zipped = directory.resolve("t.csv.GZ");
    try (OutputStream out = new GZIPOutputStream(Files.newOutputStream(zipped))) {
      out.write("text\né\n".getBytes(StandardCharsets.UTF_8));
    }
    assertThat(texts(zipped)).containsExactly("é");
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "text,id\\na\\n|:2: has 1 cell and the first line names 2 columns; put a text with"
            + " separators or line breaks in double quotes",
        "text\\na,b,c\\n|:2: has 3 cells and the first line names 1 columns; put a text with"
            + " separators or line breaks in double quotes",
        "text,text\\na,b\\n|:1: names the column \"text\" twice; the first line names each column"
            + " once",
        "text\\n|: is empty, expected at least one record",
        "text\\n\"a\\nb\\n|:1: is no CSV from here on: ",
        "foo\\na\\n|:2: found the keys [foo], which is no known shape",
      })
  void csv_broken_isTold(String content, String message) throws IOException {
    Path file = write("t.csv", content.replace("\\n", "\n"));
    assertThatThrownBy(() -> read(file))
        .isInstanceOf(DataException.class)
        .hasMessageStartingWith(file + message);
  }

  @Test
  void csv_thatIsNoUtf8_isToldWithItsLine() throws IOException {
    Path file = directory.resolve("t.csv");
    Files.write(file, "text\na\né\n".getBytes(StandardCharsets.ISO_8859_1));
    assertThatThrownBy(() -> read(file))
        .hasMessage(file + ":3: is not UTF-8 text; convert the file first");
  }

  @ParameterizedTest
  @ValueSource(strings = {"none", "snappy", "gzip", "zstd", "lz4"})
  void parquet_everyCompression_isRead(String codec) {
    Path file = table("rows-" + codec + ".parquet");
    assertThat(read(file))
        .hasSize(5)
        .element(3)
        .isEqualTo(new Completion(new Origin(file.toString(), 4), new Plain("p3"), "c"));
  }

  @Test
  void parquet_nestedRows_areAsInJson() {
    List<DataRecord> records = read(table("dialogues.parquet"));
    Dialogue dialogue = (Dialogue) records.get(0);
    assertThat(dialogue.messages())
        .extracting(turn -> turn.content())
        .containsExactly("hi", "", "yo 日本");
    assertThat(dialogue.messages().get(1).fields().get("tool_calls"))
        .isEqualTo(List.of(Map.of("id", "1", "function", Map.of("name", "f", "arguments", "{}"))));
    assertThat(dialogue.messages().get(0).fields()).isEmpty();
    assertThat(dialogue.conversation().variables())
        .isEqualTo(Map.of("tools", List.of(Map.of("type", "function"))));
    assertThat(((Dialogue) records.get(1)).messages().get(0).content()).isEqualTo("é");
    assertThat(reading.notices())
        .containsExactly(
            table("dialogues.parquet")
                + ": left unused: id (1 record), keep (1 record), meta (1 record), score (1 record)");
    assertThat(BigInteger.ONE.shiftLeft(40)).isEqualTo(BigInteger.valueOf(1L << 40));
  }

  /** A decimal is not the whole number that it is stored as, and the rest is none either. */
  @Test
  void parquet_numbersStoredAsOthers_areWhatTheyMean() throws IOException {
    List<String> rows = new ArrayList<>();
    new ParquetRows(
            table("margins.parquet"), (row, origin) -> rows.add(row.toString()), bytes -> {})
        .read();
    assertThat(rows)
        .containsExactly(
            "{\"prompt\":\"p\",\"chosen\":\"c\",\"rejected\":\"r\",\"margin\":\"1.50\","
                + "\"big\":\"9223372036854775809\",\"half\":\"1.5\","
                + "\"when\":\"2020-01-02T03:04:05.000000\",\"day\":\"2020-01-02\"}");
    assertThat(((Preference) read(table("margins.parquet")).get(0)).margin()).isEqualTo(1.5);
  }

  @ParameterizedTest
  @ValueSource(strings = {"pages", "deltas"})
  void parquet_everyKindOfPage_isRead(String name) {
    Path file = table(name + ".parquet");
    List<DataRecord> records = read(file);
    assertThat(records).hasSize(100);
    for (int i = 0; i < 100; i++) {
      assertThat(records.get(i))
          .isEqualTo(
              new Completion(
                  new Origin(file.toString(), i + 1), new Plain("p" + i % 7), "c é " + i));
    }
  }

  @Test
  void parquet_withoutRows_isEmpty() {
    Path file = table("empty.parquet");
    assertThatThrownBy(() -> read(file))
        .hasMessageStartingWith(file + ": is empty, expected at least one record");
  }

  @Test
  void parquet_thatCannotBeRead_isTold() throws IOException {
    Path brotli = table("rows-brotli.parquet");
    assertThatThrownBy(() -> read(brotli))
        .hasMessage(
            brotli
                + ": is compressed with BROTLI, expected snappy, gzip, zstd, lz4_raw or none; write"
                + " it anew with one of these");
    Path binary = table("binary.parquet");
    assertThatThrownBy(() -> read(binary))
        .hasMessage(binary + ":1: \"text\" is bytes, expected text");
    Path none = write("t.parquet", "no parquet, but long enough to look for its end");
    assertThatThrownBy(() -> read(none))
        .isInstanceOf(DataException.class)
        .hasMessageStartingWith(none + ": is no sound Parquet file: ");
  }

  /** 64 KiB in the file and 6.25 MiB in the rows. */
  @Test
  void parquet_aTextThatManyRowsName_countsAsOftenAsTheyDo() {
    assertThatThrownBy(() -> read(table("repeated.parquet")))
        .isInstanceOf(DataException.class)
        .hasMessageContaining("repeated.parquet: has more than 1 MiB of text, not compressed");
    assertThat(
            RecordFile.read(SourceConfig.of(table("repeated.parquet").toString()), 100, 7, reading))
        .hasSize(100);
  }

  @Test
  void parquet_aTextThatClaimsToBeLongerThanItsDictionary_isTold() {
    Path file = table("claim.parquet");
    assertThatThrownBy(() -> read(file))
        .isInstanceOf(DataException.class)
        .hasMessageStartingWith(file + ": is no sound Parquet file: ");
  }

  /** dialogues.parquet with other bytes, found by fuzzing; Parquet quotes 4,000 letters of it. */
  @Test
  void parquet_aBrokenFooter_isToldInAFewWords() {
    Path file = table("footer.parquet");
    assertThatThrownBy(() -> read(file))
        .isInstanceOf(DataException.class)
        .hasMessageStartingWith(file + ": can't be read, it may be cut off: ")
        .message()
        .hasSizeLessThan(400 + file.toString().length());
  }

  /** dialogues.parquet with other bytes, found by fuzzing: the reader made room for a gigabyte. */
  @Test
  void parquet_aPageThatClaimsMoreThanItsColumnHas_isTold() {
    Path file = table("page.parquet");
    assertThatThrownBy(() -> read(file))
        .isInstanceOf(DataException.class)
        .hasMessage(
            file
                + ": can't be read, it may be cut off: the column score's page is damaged: Required"
                + " field 'uncompressed_page_size' was not found in serialized data!");
  }

  /** A cut or damaged file is told, and no claim in it fills the memory. */
  @ParameterizedTest
  @ValueSource(strings = {"rows-snappy", "rows-gzip", "rows-zstd", "rows-lz4", "dialogues"})
  void parquet_damaged_isReadOrTold(String name) throws IOException {
    long seed = 20_261_129;
    Random random = new Random(seed);
    byte[] sound = Files.readAllBytes(table(name + ".parquet"));
    Path file = directory.resolve("t.parquet");
    for (int i = 0; i < 60; i++) {
      byte[] damaged = sound.clone();
      if (i % 3 == 0) {
        damaged = Arrays.copyOf(sound, random.nextInt(sound.length));
      } else {
        for (int hits = 1 + random.nextInt(4); hits > 0; hits--) {
          damaged[random.nextInt(damaged.length)] = (byte) random.nextInt(256);
        }
      }
      Files.write(file, damaged);
      try {
        read(file);
      } catch (DataException e) {
        assertThat(e).as("seed %s, round %s", seed, i).message().startsWith(file.toString());
      }
    }
  }

  @Test
  void jsonl_inCapitals_isRead() throws IOException {
    assertThat(texts(write("T.JSONL", "{\"text\": \"a\"}"))).containsExactly("a");
    assertThat(texts(write("T.Json", "[{\"text\": \"a\"}]"))).containsExactly("a");
  }

  @Test
  void directory_filesOfItsOwn_areReadInOrderAndTheRestIsTold() throws IOException {
    write("d/b.jsonl", "{\"text\": \"b\"}");
    write("d/a.csv", "text\na\n");
    write("d/README.md", "# words");
    write("d/.hidden.jsonl", "{\"text\": \"h\"}");
    write("d/more/c.jsonl", "{\"text\": \"c\"}");
    Path d = directory.resolve("d");
    assertThat(texts(d)).containsExactly("a", "b");
    assertThat(reading.notices()).containsExactly(d + ": left unread: README.md, more");
    assertThatThrownBy(() -> read(directory.resolve("d/more/..").resolve("none")))
        .hasMessageContaining(": there is no such file (looked for ");
    Files.createDirectories(directory.resolve("e"));
    assertThatThrownBy(() -> read(directory.resolve("e")))
        .hasMessage(
            directory.resolve("e")
                + ": is a directory without files of records (it has []); expected a .jsonl,"
                + " .ndjson, .json, .csv or .tsv file, each plain or .gz, or a .parquet file in it;"
                + " for files further below write a glob, "
                + directory.resolve("e")
                + "/**.jsonl");
    write("d/c.jsonl", "{\"prompt\": \"p\"}");
    assertThatThrownBy(() -> read(d))
        .hasMessageStartingWith(
            d.resolve("c.jsonl")
                + ":1: found the keys [prompt], which is a record of shape prompt, but "
                + d.resolve("a.csv")
                + ":2 is of shape text. A source holds one kind of record");
  }

  @Test
  void glob_matchingFiles_areReadInOrder() throws IOException {
    write("g/b.jsonl", "{\"text\": \"b\"}");
    write("g/a.jsonl", "{\"text\": \"a\"}");
    write("g/a.txt", "no");
    write("g/in/c.jsonl", "{\"text\": \"c\"}");
    write("g/[x].jsonl", "{\"text\": \"x\"}");
    String g = directory.resolve("g").toString();
    assertThat(texts(g + "/?.jsonl")).containsExactly("a", "b");
    assertThat(texts(g + "/**.jsonl")).containsExactly("x", "a", "b", "c");
    assertThat(texts(g + "/[x].jsonl")).containsExactly("x");
    assertThat(texts(g + "/{a,b}.jsonl")).containsExactly("a", "b");
    assertThatThrownBy(() -> read(g + "/*.csv"))
        .hasMessage(g + "/*.csv: matches no file below " + g);
    assertThatThrownBy(() -> read(g + "/a.*"))
        .hasMessageStartingWith(g + "/a.*: matches " + g + "/a.txt; expected a .jsonl");
    assertThatThrownBy(() -> read(directory + "/none/*.jsonl"))
        .hasMessageStartingWith(
            directory + "/none/*.jsonl: there is no directory " + directory + "/none");
    assertThatThrownBy(() -> read(g + "/{a.jsonl"))
        .hasMessageStartingWith(g + "/{a.jsonl: is no glob: ");
  }
}
