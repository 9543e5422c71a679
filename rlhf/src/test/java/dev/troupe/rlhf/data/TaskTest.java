package dev.troupe.rlhf.data;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.troupe.protocol.data.Prompt;
import dev.troupe.rlhf.data.DataConfig.Format;
import dev.troupe.rlhf.data.DataConfig.TooLong;
import java.io.IOException;
import java.math.BigInteger;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Records keep what is right, and what else they say, where their prompts' answers are scored. */
class TaskTest {
  private static final String GSM8K =
      "{\"question\": \"How many?\", \"answer\": \"She has 3 <<1+2=3>>.\\n#### 3\"}";

  @TempDir private Path directory;
  private final Reading reading = Reading.unwatched();

  private List<DataRecord.Task> tasks(Columns columns, String... lines) throws IOException {
    Path file = Files.writeString(directory.resolve("t.jsonl"), String.join("\n", lines));
    SourceConfig source =
        new SourceConfig(
            file.toString(),
            Optional.empty(),
            Shape.AUTO,
            Optional.empty(),
            Optional.empty(),
            columns,
            List.of());
    return StageData.tasks(
        new DataConfig(
            List.of(),
            List.of(),
            List.of(source),
            List.of(),
            Optional.empty(),
            Format.AUTO,
            0,
            0,
            TooLong.DROP),
        1,
        reading);
  }

  private Optional<String> answer(String line) throws IOException {
    return tasks(Columns.NONE, line).get(0).answer();
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '~',
      quoteCharacter = '`',
      value = {
        "{\"prompt\": \"p\", \"answer\": \"4\"} ~ 4",
        "{\"prompt\": \"p\", \"answer\": 4} ~ 4",
        "{\"question\": \"p\", \"answer\": 4.5} ~ 4.5",
        "{\"question\": \"p\", \"answer\": \"four\"} ~ four",
        "{\"prompt\": \"p\", \"ground_truth\": \"4\"} ~ 4",
        "{\"prompt\": \"p\", \"target\": true} ~ true",
        "{\"prompt\": \"p\", \"solution\": \" x \"} ~ x",
        "{\"prompt\": \"p\", \"solution\": \"long\", \"answer\": \"4\"} ~ 4",
        "{\"prompt\": \"p\", \"completion\": \"said\"} ~ said",
        "{\"prompt\": \"p\", \"completion\": \"said\", \"answer\": \"4\"} ~ 4",
        "{\"messages\": [{\"role\": \"user\", \"content\": \"p\"},"
            + " {\"role\": \"assistant\", \"content\": \"r\\n#### 7\"}]} ~ 7",
        "{\"prompt\": \"p\", \"answer\": \"#### 4 is not marked\\nbut this\"} ~"
            + " `#### 4 is not marked\nbut this`",
        "{\"prompt\": \"p\", \"answer\": \"a\\n####\"} ~ `a\n####`"
      })
  void answer_isWhereTheFieldHasIt(String line, String expected) throws IOException {
    assertThat(answer(line)).contains(expected);
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '~',
      quoteCharacter = '`',
      value = {
        "{\"prompt\": \"p\", \"completion\": \"bad\", \"label\": false}",
        "{\"question\": \"p\", \"answer\": \"bad\", \"label\": false}",
        "{\"messages\": [{\"role\": \"user\", \"content\": \"p\"},"
            + " {\"role\": \"assistant\", \"content\": \"bad\", \"weight\": 0}]}",
        "{\"messages\": [{\"role\": \"user\", \"content\": \"p\"},"
            + " {\"role\": \"assistant\", \"content\": \"bad\"}], \"label\": false}",
        "{\"prompt\": \"p\"}",
        "{\"prompt\": \"p\", \"answer\": \" \"}",
        "{\"prompt\": \"p\", \"answer\": null}",
        "{\"prompt\": \"p\", \"chosen\": \"c\", \"rejected\": \"r\"}"
      })
  void answer_isAbsentWhereThereIsNone(String line) throws IOException {
    assertThat(answer(line)).isEmpty();
  }

  @Test
  void gsm8k_keepsTheNumberAlone() throws IOException {
    assertThat(answer(GSM8K)).contains("3");
  }

  @Test
  void answer_thatIsAList_isRefused() {
    assertThatThrownBy(() -> answer("{\"prompt\": \"p\", \"answer\": [1, 2]}"))
        .isInstanceOf(DataException.class)
        .hasMessage(
            directory.resolve("t.jsonl")
                + ":1: \"answer\" is a list, expected text or a number: what is right");
  }

  @Test
  void columns_nameTheAnswer() throws IOException {
    Columns columns = Columns.of(Map.of("prompt", "problem", "answer", "expected"));
    DataRecord.Task task =
        tasks(columns, "{\"problem\": \"p\", \"expected\": 12, \"level\": 3}").get(0);
    assertThat(task.answer()).contains("12");
    assertThat(task.metadata()).isEqualTo(Map.of("level", BigInteger.valueOf(3)));
    assertThatThrownBy(() -> tasks(columns, "{\"problem\": \"p\"}"))
        .hasMessageContaining("columns.answer names \"expected\"");
  }

  @Test
  void otherFields_areKeptAndTold_onceForAFile() throws IOException {
    List<DataRecord.Task> tasks =
        tasks(
            Columns.NONE,
            "{\"prompt\": \"p\", \"answer\": 1, \"tests\": [{\"in\": \"1\"}], \"empty\": \"\"}",
            "{\"prompt\": \"q\", \"answer\": \"two\", \"level\": 2}");
    assertThat(tasks.get(0).metadata()).isEqualTo(Map.of("tests", List.of(Map.of("in", "1"))));
    assertThat(tasks.get(1).metadata()).isEqualTo(Map.of("level", BigInteger.TWO));
    assertThat(reading.notices())
        .containsExactly(
            directory.resolve("t.jsonl")
                + ": kept for rewards: level (1 record), tests (1 record)");
  }

  @Test
  void numbersAndTexts_mayBeRightInOneFile() throws IOException {
    assertThat(
            tasks(
                Columns.NONE,
                "{\"question\": \"p\", \"answer\": 1}",
                "{\"question\": \"q\", \"answer\": \"1/2\"}"))
        .extracting(task -> task.answer().orElseThrow())
        .containsExactly("1", "1/2");
  }

  @Test
  void prompts_haveAnswerAndMetadata() throws IOException {
    List<DataRecord.Task> tasks =
        tasks(Columns.NONE, "{\"prompt\": \"ab\", \"answer\": 1, \"level\": \"easy\"}");
    Tokenization tokenization =
        new Tokenization(
            new LetterText(false, false, 100), Format.AUTO, new Lengths(90, 40, TooLong.DROP));
    Prompt prompt = tokenization.prompts(tasks, 5).examples().get(0);
    assertThat(prompt.text()).isEqualTo("ab");
    assertThat(prompt.answer()).contains("1");
    assertThat(prompt.metadata()).isEqualTo(Map.of("level", "easy"));
    assertThat(prompt.bare()).isEqualTo(new Prompt(prompt.id(), "ab", prompt.tokens()));
    // Elsewhere nothing of a record stays but its prompt.
    assertThat(tokenization.prompts(List.of(tasks.get(0).record()), 5).examples().get(0).answer())
        .isEmpty();
  }
}
