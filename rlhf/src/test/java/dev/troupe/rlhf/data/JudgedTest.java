package dev.troupe.rlhf.data;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.troupe.protocol.data.Floats;
import dev.troupe.protocol.data.TokenIds;
import dev.troupe.rlhf.data.DataConfig.Format;
import dev.troupe.rlhf.data.DataConfig.TooLong;
import dev.troupe.rlhf.loss.ScoredExample;
import dev.troupe.rlhf.recipe.StageInputs;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Answers that were judged one by one: by a label, a score, or a label for each step. */
class JudgedTest {
  private static final LetterText TEXT = new LetterText(true, false, 40);
  private static final String GOOD =
      "{\"prompt\": \"p\", \"completion\": \"yes\", \"label\": true}";
  private static final String BAD = "{\"prompt\": \"q\", \"completion\": \"no\", \"label\": false}";

  @TempDir private Path directory;

  @Test
  void labels_areTrlsAndLlamaFactorys() throws IOException {
    var data =
        inputs(
                Columns.NONE,
                GOOD,
                "{\"prompt\": \"q\", \"completion\": \"no\", \"kto_tag\": false}",
                "{\"prompt\": \"r\", \"completion\": \"so\", \"label\": 1}")
            .judged("kto", 0);
    assertThat(data.train())
        .containsExactly(
            answer("p", "yes", true), answer("q", "no", false), answer("r", "so", true));
  }

  @Test
  void messages_haveTheirLastAnswerJudged() throws IOException {
    String turns =
        "{\"messages\": [{\"role\": \"user\", \"content\": \"p\"}, {\"role\": \"assistant\","
            + " \"content\": \"%s\"}], \"label\": %s}";
    var data =
        inputs(
                Columns.NONE,
                turns.replace("%s\"}]", "a\"}]").replace("%s", "true"),
                turns.replace("%s\"}]", "b\"}]").replace("%s", "false"))
            .judged("kto", 0);
    assertThat(data.train().get(0).prompt())
        .isEqualTo(TEXT.encodeRendered("<user>p</s>\n<assistant>"));
    assertThat(TEXT.decode(data.train().get(1).answer())).startsWith("b");
    assertThat(data.train()).extracting(JudgedAnswer::good).containsExactly(true, false);
  }

  @Test
  void column_namesTheLabel() throws IOException {
    Columns columns = Columns.of(Map.of("label", "ok"));
    var data = inputs(columns, GOOD.replace("label", "ok"), BAD.replace("label", "ok"));
    assertThat(data.judged("kto", 0).train()).hasSize(2);
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '~',
      quoteCharacter = '`',
      value = {
        "{\"prompt\": \"p\", \"completion\": \"a\"} ~ does not say how good its answer is; expected"
            + " \"label\": true or false",
        "{\"prompt\": \"p\", \"completion\": \"a\", \"label\": 3} ~ \"label\" is 3, expected true or"
            + " false",
        "{\"prompt\": \"p\", \"label\": true} ~ has no single answer to a prompt",
        "{\"prompt\": \"p\", \"chosen\": \"a\", \"rejected\": \"b\"} ~ \"label\": true or false",
        "{\"messages\": [{\"role\": \"assistant\", \"content\": \"a\"}], \"label\": true} ~ has no"
            + " single answer to a prompt",
      })
  void recordThatIsNotJudged_isRefused(String line, String message) throws IOException {
    StageInputs inputs = inputs(Columns.NONE, line, line);
    assertThatThrownBy(() -> inputs.judged("kto", 0))
        .isInstanceOf(DataException.class)
        .hasMessageContaining("t.jsonl")
        .hasMessageContaining(message);
  }

  @Test
  void oneKindAlone_isRefused() throws IOException {
    StageInputs good = inputs(Columns.NONE, GOOD, GOOD);
    assertThatThrownBy(() -> good.judged("kto", 0))
        .hasMessage(
            "data.judged: all 2 answers to train on are good, and KTO learns from both kinds: give"
                + " answers whose label is false too, or learn from good ones alone by SFT");
    StageInputs bad = inputs(Columns.NONE, BAD, BAD);
    assertThatThrownBy(() -> bad.judged("kto", 0))
        .hasMessageContaining(
            "are bad, and KTO learns from both kinds: give answers whose label is" + " true too");
  }

  @Test
  void pairs_giveBothOfTheirAnswers_heldOutTogether_andTheirMarginIsTold() throws IOException {
    String pair = "{\"prompt\": \"p%d\", \"chosen\": \"a\", \"rejected\": \"b\", \"margin\": 2}";
    Path file =
        Files.writeString(
            directory.resolve("pairs.jsonl"),
            pair.replace("%d", "1")
                + "\n"
                + pair.replace("%d", "2")
                + "\n"
                + pair.replace("%d", "3"));
    StageInputs inputs =
        new StageInputs(config(List.of(SourceConfig.of(file.toString())), List.of()), TEXT, 1);
    var data = inputs.judged("kto", 2);
    assertThat(data.train()).hasSize(4);
    assertThat(data.heldOut()).hasSize(2);
    assertThat(data.heldOut().get(0).prompt()).isEqualTo(data.heldOut().get(1).prompt());
    assertThat(data.heldOut()).extracting(JudgedAnswer::good).containsExactly(true, false);
    assertThat(inputs.reports())
        .contains("left unused: the margin of 2 pairs, which kto does not read");
  }

  @Test
  void scores_areReadAtTheLastToken() throws IOException {
    var data =
        inputs(
                Columns.NONE,
                "{\"prompt\": \"p\", \"completion\": \"yes\", \"score\": 3.5}",
                "{\"prompt\": \"q\", \"completion\": \"no\", \"score\": \"-1\"}")
            .scored("reward", 0);
    ScoredExample first = data.train().get(0);
    assertThat(first.targets()).isEqualTo(Floats.of(3.5f));
    assertThat(first.sequence().tokens()).isEqualTo(TEXT.encode("pyes\u0002"));
    assertThat(first.sequence().reads()).isEqualTo(TokenIds.of(4));
    assertThat(data.train().get(1).targets()).isEqualTo(Floats.of(-1));
  }

  @Test
  void scores_lackingOrNoNumber_areRefused() throws IOException {
    StageInputs lacking = inputs(Columns.NONE, GOOD);
    assertThatThrownBy(() -> lacking.scored("reward", 0))
        .hasMessageContaining("does not say how good its answer is; expected \"score\": a number");
    StageInputs words =
        inputs(Columns.NONE, "{\"prompt\": \"p\", \"completion\": \"a\", \"score\": \"high\"}");
    assertThatThrownBy(() -> words.scored("reward", 0))
        .hasMessageContaining("\"score\" is text, expected a number");
    StageInputs huge =
        inputs(Columns.NONE, "{\"prompt\": \"p\", \"completion\": \"a\", \"score\": 1e300}");
    assertThatThrownBy(() -> huge.scored("reward", 0))
        .hasMessageContaining("expected a finite number");
  }

  /** What the stage does not learn from is told, and what is not to be learned left out. */
  @Test
  void otherJudgements_areTold() throws IOException {
    String both = GOOD.replace("}", ", \"score\": 2}");
    StageInputs labels = inputs(Columns.NONE, both, BAD, GOOD.replace("}", ", \"weight\": 0}"));
    var data = labels.judged("kto", 0);
    assertThat(data.train()).hasSize(2);
    assertThat(data.dropped()).containsEntry("no turn is to be learned", 1L);
    assertThat(labels.reports()).anyMatch(line -> line.contains("left unused: score (1 record)"));
    StageInputs scores = inputs(Columns.NONE, both);
    assertThat(scores.scored("reward", 0).train()).hasSize(1);
    assertThat(scores.reports()).anyMatch(line -> line.contains("left unused: label (1 record)"));
  }

  /** By the names that stand in the file. */
  @Test
  void labels_leftUnused_areToldByTheirNames() throws IOException {
    String named = GOOD.replace("label", "kto_tag").replace("}", ", \"score\": 2}");
    StageInputs tagged = inputs(Columns.NONE, named);
    assertThat(tagged.scored("reward", 0).train()).hasSize(1);
    assertThat(tagged.reports()).anyMatch(l -> l.contains("left unused: kto_tag (1 record)"));
    Columns columns = Columns.of(Map.of("label", "kto_tag"));
    StageInputs renamed = inputs(columns, named);
    assertThat(renamed.scored("reward", 0).train()).hasSize(1);
    assertThat(renamed.reports()).anyMatch(l -> l.contains("left unused: kto_tag (1 record)"));
  }

  @Test
  void steps_areReadAtTheEndOfEach_separatorIncluded() throws IOException {
    var data =
        inputs(
                Columns.NONE,
                "{\"prompt\": \"pq\", \"completions\": [\"ab\", \"c\"], \"labels\": [true, 0.25]}")
            .steps("reward", "\n", 0);
    ScoredExample only = data.train().get(0);
    assertThat(only.sequence().tokens()).isEqualTo(TEXT.encode("pqab\nc\n"));
    assertThat(only.sequence().reads()).isEqualTo(TokenIds.of(4, 6));
    assertThat(only.targets()).isEqualTo(Floats.of(1, 0.25f));
  }

  /** Of 40 tokens that fit, what is cut off takes its labels with it. */
  @Test
  void steps_cutOff_haveNoLabel() throws IOException {
    String step = "x".repeat(30);
    var data =
        inputs(
                Columns.NONE,
                "{\"prompt\": \"p\", \"completions\": [\""
                    + step
                    + "\", \""
                    + step
                    + "\"], \"labels\": [1, 0]}")
            .steps("reward", "", 0);
    assertThat(data.train().get(0).targets()).isEqualTo(Floats.of(1));
    assertThat(data.train().get(0).sequence().reads()).isEqualTo(TokenIds.of(30));
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '~',
      quoteCharacter = '`',
      value = {
        "[\"a\"] ~ [1, 0] ~ has 1 steps in \"completions\" and 2 labels in \"labels\"",
        "[\"a\", \"\"] ~ [1, 0] ~ step 2 of \"completions\" is empty",
        "[\"a\", 3] ~ [1, 0] ~ step 2 of \"completions\" is a number, expected text",
        "[\"a\"] ~ [2] ~ label 1 of \"labels\" is 2, expected true, false, or a number from 0 to 1",
        "[\"a\"] ~ [null] ~ \"labels\" is null",
        "[] ~ [] ~ at least one step"
      })
  void steps_thatDoNotFit_areRefused(String steps, String labels, String message)
      throws IOException {
    StageInputs inputs =
        inputs(
            Columns.NONE,
            "{\"prompt\": \"p\", \"completions\": " + steps + ", \"labels\": " + labels + "}");
    assertThatThrownBy(() -> inputs.steps("reward", "\n", 0))
        .isInstanceOf(DataException.class)
        .hasMessageContaining(message);
  }

  private static JudgedAnswer answer(String prompt, String said, boolean good) {
    return new JudgedAnswer(TEXT.encode(prompt), TEXT.encode(said + "\u0002"), good);
  }

  private StageInputs inputs(Columns columns, String... lines) throws IOException {
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
    return new StageInputs(config(List.of(), List.of(source)), TEXT, 1, Reading.unwatched());
  }

  private static DataConfig config(List<SourceConfig> pairs, List<SourceConfig> judged) {
    return new DataConfig(
        List.of(),
        pairs,
        judged,
        List.of(),
        List.of(),
        Optional.empty(),
        Format.AUTO,
        Optional.empty(),
        0,
        0,
        TooLong.TRUNCATE,
        1000,
        10);
  }
}
