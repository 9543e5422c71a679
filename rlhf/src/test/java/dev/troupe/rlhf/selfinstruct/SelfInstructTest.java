package dev.troupe.rlhf.selfinstruct;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.troupe.rlhf.data.DataException;
import dev.troupe.rlhf.selfinstruct.SelfInstruct.Settings;
import dev.troupe.rlhf.selfinstruct.TaskWriter.Written;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** What is asked of the writer, what is made of its answers, and what is left out. */
class SelfInstructTest {
  private static final String RIVERS = "Name three rivers that flow through Europe.";
  private static final String MOOD = "Classify the mood of the sentence below.";

  /** Keeps what it was asked, and answers by what it is asked for. */
  private static final class Scripted implements TaskWriter {
    final List<String> prompts = new ArrayList<>();
    final List<Long> seeds = new ArrayList<>();

    @Override
    public Written write(String prompt, List<String> stop, int longest, long seed) {
      prompts.add(prompt);
      seeds.add(seed);
      if (prompt.startsWith("Come up with")) {
        return new Written(
            " "
                + RIVERS
                + "\n10. "
                + MOOD
                + "\n11. Draw a cat that sits on a roof.\n12. name three rivers which flow through"
                + " Europe.\n13. Explain why the",
            true);
      }
      if (prompt.startsWith("Can the following")) {
        return new Written(prompt.contains(MOOD) ? " Yes" : " No", false);
      }
      return prompt.startsWith("Given a classification")
          ? new Written(" Good\nSentence: We won.\nClass label: Bad\nSentence: We lost.", false)
          : new Written(
              "Output: Rhine, Danube, Loire\n\nExample 2\nInput: Asia\nOutput: Mekong\nExample"
                  + " 3\nAsia\nOutput: Ganges\nExample 4\nOutput:",
              false);
    }
  }

  private static List<Task> seeds() {
    return IntStream.range(0, 40)
        .mapToObj(
            i ->
                new Task(
                    "Seed number " + "abcdefghij".charAt(i % 10) + i + ":",
                    List.of(new Instance(i % 3 == 0 ? "" : "in " + i, "out " + i)),
                    i % 2 == 0))
        .toList();
  }

  @Test
  void round_keepsWhatIsNewAndWellFormed_andCountsTheRest() {
    Scripted writer = new Scripted();
    SelfInstruct.Round round =
        new SelfInstruct(writer, seeds(), List.of(), Settings.papers(7, 0.7)).round(0);
    assertThat(round.kept())
        .containsExactly(
            new Task(RIVERS, List.of(new Instance("", "Rhine, Danube, Loire")), false),
            new Task(
                MOOD,
                List.of(
                    new Instance("Sentence: We won.", "Good"),
                    new Instance("Sentence: We lost.", "Bad")),
                true));
    assertThat(round.dropped().counts())
        .isEqualTo(
            Map.of(
                Drop.CUT, 1,
                Drop.KEYWORD, 1,
                Drop.SIMILAR, 1,
                Drop.CONTRADICTION, 2,
                Drop.NO_OUTPUT, 1));
  }

  /** 8 tasks are shown, of which 2 were written where there are as many, without the colon. */
  @Test
  void prompt_showsSixSeedsAndTwoWritten() {
    Scripted writer = new Scripted();
    List<Task> before =
        List.of(
            new Task("Tell me about the weather", List.of(new Instance("", "x")), false),
            new Task("Count the words in this", List.of(new Instance("", "x")), false));
    new SelfInstruct(writer, seeds(), before, Settings.papers(7, 0.7)).round(3);
    String[] lines = writer.prompts.get(0).split("\n");
    assertThat(lines).hasSize(10).startsWith("Come up with a series of tasks:").endsWith("9.");
    assertThat(IntStream.rangeClosed(1, 8).filter(i -> lines[i].contains("Seed number")).count())
        .isEqualTo(6);
    assertThat(writer.prompts.get(0)).contains("Tell me about the weather").doesNotContain(":\n2");
    assertThat(writer.prompts.get(1))
        .startsWith("Can the following task be regarded as a classification task")
        .endsWith("Task: " + RIVERS + "\nIs it classification?")
        .satisfies(text -> assertThat(text.split("Is it classification\\? Yes")).hasSize(13))
        .satisfies(text -> assertThat(text.split("Is it classification\\? No")).hasSize(20));
    assertThat(writer.prompts.get(2)).endsWith("Task: " + RIVERS + "\nExample 1\n");
    assertThat(writer.prompts.get(4)).endsWith("Task: " + MOOD + "\nClass label:");
  }

  @Test
  void rounds_againFromWhatWasWritten_areTheSame() {
    Scripted first = new Scripted();
    Scripted second = new Scripted();
    SelfInstruct whole = new SelfInstruct(first, seeds(), List.of(), Settings.papers(7, 0.7));
    List<Task> written = whole.round(0).kept();
    int asked = first.prompts.size();
    whole.round(1);
    new SelfInstruct(second, seeds(), written, Settings.papers(7, 0.7)).round(1);
    assertThat(second.prompts).isEqualTo(first.prompts.subList(asked, first.prompts.size()));
    assertThat(second.seeds).isEqualTo(first.seeds.subList(asked, first.seeds.size()));
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "Tell me more | TOO_SHORT",
        "Describe the image in one sentence. | KEYWORD",
        "Go to the shop and buy milk. | KEYWORD",
        "Write a program that sorts numbers. | PROGRAM",
        "(Explain how a motor works) | PUNCTUATION",
        "Élaborez un plan pour demain. | NOT_ENGLISH",
        "Seed number a0 once more | SIMILAR",
        "Imagine a graphic novel about bees. |"
      })
  void objection_isThePapers(String instruction, Drop expected) {
    Instructions known = new Instructions(0.7);
    seeds().forEach(task -> known.add(task.instruction()));
    assertThat(known.objection(instruction).orElse(null)).isEqualTo(expected);
  }

  @Test
  void objection_ofMoreThan150Words() {
    assertThat(new Instructions(0.7).objection("word ".repeat(151).strip()))
        .contains(Drop.TOO_LONG);
    assertThat(new Instructions(0.7).objection("word ".repeat(150).strip())).isEmpty();
  }

  @Test
  void read_namesTheLineThatLacksSomething(@TempDir Path directory) throws IOException {
    Path file = directory.resolve("seeds.jsonl");
    String sound =
        "{\"id\": \"a\", \"instruction\": \"Say hello.\", \"instances\": [{\"input\": \"\","
            + " \"output\": \"Hello!\"}], \"is_classification\": false}\n";
    Files.writeString(file, sound + "\n" + sound);
    assertThat(Task.read(file)).hasSize(2);
    assertWrong(file, sound + "{\"instruction\": \"x\"}", "'instances' is missing or empty");
    assertWrong(file, sound + sound.replace("false", "0"), "'is_classification' is missing");
    assertWrong(file, sound + sound.replace("\"output\"", "\"target\""), "'output' is missing");
    assertWrong(file, sound + "hello", "is not valid JSON; expected one task on each line");
  }

  private static void assertWrong(Path file, String text, String expected) throws IOException {
    Files.writeString(file, text);
    assertThatThrownBy(() -> Task.read(file))
        .isInstanceOf(DataException.class)
        .hasMessageContaining(file + ", line 2: " + expected);
  }
}
