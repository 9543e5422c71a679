package dev.troupe.rewards;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.troupe.rlhf.port.Score;
import dev.troupe.rlhf.port.Scorer;
import dev.troupe.rlhf.port.ScorerException;
import dev.troupe.rlhf.reward.RewardConfig;
import dev.troupe.rlhf.reward.RewardConfig.JsonSchema.Part;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class SchemaFunctionTest {
  @TempDir private Path directory;

  private Scorer scorer(String schema, Part part) throws IOException {
    Path file = Files.writeString(directory.resolve("s.json"), schema);
    return new OutsideScorers(List.of())
        .make("grpo.rewards.json", new RewardConfig.JsonSchema(1, file.toString(), part));
  }

  @Test
  void answers_areHeldToTheSchema() throws IOException {
    Scorer scorer =
        scorer(
            "{\"type\": \"object\", \"required\": [\"a\"],"
                + " \"properties\": {\"a\": {\"type\": \"integer\", \"minimum\": 1}}}",
            Part.WHOLE);
    assertThat(
            Answers.scores(
                scorer,
                " {\"a\": 3} ",
                "{\"a\": 0}",
                "{\"a\": \"3\"}",
                "{}",
                "{\"a\": 3",
                "{\"a\": 3} and more",
                "{\"a\": 3, \"a\": 4}",
                "",
                "[".repeat(2000)))
        .containsExactly(
            Score.of(1),
            Score.of(0),
            Score.of(0),
            Score.of(0),
            Score.of(0),
            Score.of(0),
            Score.of(0),
            Score.of(0),
            Score.of(0));
  }

  @Test
  void lastBlock_isReadAlone() throws IOException {
    Scorer scorer = scorer("{\"type\": \"array\"}", Part.LAST_BLOCK);
    assertThat(
            Answers.scores(
                scorer,
                "Here:\n```json\n[1]\n```\nDone.",
                "```\n{}\n```\nno:\n```\n[]\n```",
                "```json\n[1]",
                "[1]"))
        .containsExactly(Score.of(1), Score.of(1), Score.of(0), Score.of(0));
  }

  @Test
  void patternThatBacktracks_costsOneAnswer_whereverItStands() throws IOException {
    String endless = "\"^.*.*.*.*.*.*.*c$\"";
    String text = "\"" + "a".repeat(300) + "\"";
    List<String> schemas =
        List.of(
            "{\"properties\": {\"a\": {\"pattern\": " + endless + "}}}",
            "{\"patternProperties\": {" + endless + ": true}}",
            "{\"propertyNames\": {\"pattern\": " + endless + "}}");
    for (String schema : schemas) {
      Scorer scorer = scorer(schema, Part.WHOLE);
      assertThat(Answers.scores(scorer, "{}", "{" + text + ": 1, \"a\": " + text + "}", "[]", "{"))
          .as(schema)
          .containsExactly(
              Score.of(1),
              new Score.Unscored(
                  "a pattern backtracks too long",
                  "the expression ^.*.*.*.*.*.*.*c$, on a text of 300 characters"),
              Score.of(1),
              Score.of(0));
      scorer.close();
    }
  }

  @Test
  void answerThatNestsTooDeep_costsOneAnswer() throws IOException {
    Scorer deep = scorer("{\"pattern\": \"^(a|b)*c$\"}", Part.WHOLE);
    assertThat(Answers.scores(deep, "\"" + "ab".repeat(200_000) + "\"", "\"c\""))
        .satisfiesExactly(
            first -> assertThat(first).isInstanceOf(Score.Unscored.class),
            second -> assertThat(second).isEqualTo(Score.of(1)));
    deep.close();
    Scorer lists = scorer("{\"type\": \"array\", \"items\": {\"$ref\": \"#\"}}", Part.WHOLE);
    assertThat(Answers.scores(lists, "[".repeat(990) + "]".repeat(990), "[]", "[1]"))
        .satisfiesExactly(
            first -> assertThat(first).isIn(Score.of(1), tooDeep(1980)),
            second -> assertThat(second).isEqualTo(Score.of(1)),
            third -> assertThat(third).isEqualTo(Score.of(0)));
    lists.close();
  }

  private static Score tooDeep(int characters) {
    return new Score.Unscored(
        "the answer nests too deep",
        "for the schema, with an answer of " + characters + " characters");
  }

  @Test
  void schemas_thatAreNone_areErrors() {
    assertThatThrownBy(() -> scorer("{\n\"type\": }", Part.WHOLE))
        .isInstanceOf(ScorerException.class)
        .hasMessageStartingWith(
            "grpo.rewards.json: " + directory.resolve("s.json") + " is not valid JSON, line 2: ");
    assertThatThrownBy(() -> scorer("[1]", Part.WHOLE)).hasMessageEndingWith("it is no object");
    RewardConfig missing = new RewardConfig.JsonSchema(1, "/no/such.json", Part.WHOLE);
    assertThatThrownBy(() -> new OutsideScorers(List.of()).make("j", missing))
        .hasMessageStartingWith("j: the schema /no/such.json cannot be read:");
    assertThatThrownBy(() -> scorer("{\"$ref\": \"#\"}", Part.WHOLE))
        .isInstanceOf(ScorerException.class)
        .hasMessageEndingWith("it refers to itself ($ref) without end");
    assertThatThrownBy(() -> scorer("{\"pattern\": \"(\"}", Part.WHOLE))
        .isInstanceOf(ScorerException.class)
        .hasMessageContaining("is no JSON Schema that can be used");
  }
}
