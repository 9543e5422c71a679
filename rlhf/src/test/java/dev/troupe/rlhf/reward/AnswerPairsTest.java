package dev.troupe.rlhf.reward;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.troupe.rlhf.port.Score;
import java.io.IOException;
import java.io.InputStream;
import java.util.ArrayList;
import java.util.List;
import org.assertj.core.api.SoftAssertions;
import org.junit.jupiter.api.Test;

/**
 * Answers, references, and what three rules of the field said of them: math-verify 0.9.0, MATH's
 * string rule, and the last number as lm-evaluation-harness finds it.
 */
class AnswerPairsTest {
  private record Pair(
      String answer, String reference, boolean mathVerify, boolean mathText, boolean lastNumber) {}

  private static List<Pair> pairs() throws IOException {
    List<Pair> pairs = new ArrayList<>();
    try (InputStream file = AnswerPairsTest.class.getResourceAsStream("answer-pairs.json")) {
      for (JsonNode row : new ObjectMapper().readTree(file)) {
        pairs.add(
            new Pair(
                row.get(0).asText(),
                row.get(1).asText(),
                row.get(2).asBoolean(),
                row.get(3).asBoolean(),
                row.get(4).asBoolean()));
      }
    }
    return pairs;
  }

  @Test
  void everyPair_everyRule_saysWhatTheFieldSays() throws IOException {
    List<Pair> pairs = pairs();
    assertThat(pairs).hasSize(61);
    SoftAssertions all = new SoftAssertions();
    for (Pair pair : pairs) {
      check(all, new MathAnswer(), pair, pair.mathVerify());
      check(all, new MathText(), pair, pair.mathText());
      check(all, new NumberAnswer(NumberAnswer.Place.LAST), pair, pair.lastNumber());
    }
    all.assertAll();
  }

  private static void check(SoftAssertions all, Rule rule, Pair pair, boolean expected) {
    Score verdict = rule.score(pair.answer(), pair.reference());
    boolean right = verdict.equals(Score.of(1));
    all.assertThat(right)
        .as("%s: %s ~ %s gave %s", rule, pair.answer(), pair.reference(), verdict)
        .isEqualTo(expected);
  }
}
