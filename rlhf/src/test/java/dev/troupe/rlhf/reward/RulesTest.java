package dev.troupe.rlhf.reward;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import dev.troupe.rlhf.port.Score;
import java.time.Duration;
import java.util.List;
import java.util.Locale;
import java.util.SplittableRandom;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.constraints.IntRange;
import org.junit.jupiter.api.Assertions;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class RulesTest {
  private static final Score RIGHT = Score.of(1);
  private static final Score WRONG = Score.of(0);
  private static final List<Rule> ALL =
      List.of(
          new MathAnswer(),
          new MathText(),
          new NumberAnswer(NumberAnswer.Place.MARKED),
          new NumberAnswer(NumberAnswer.Place.LAST),
          new ExactAnswer(ExactAnswer.LetterCase.KEPT),
          new ExactAnswer(ExactAnswer.LetterCase.IGNORED),
          new PatternRule("(a+)+b", PatternRule.Use.CONTAINS),
          new PatternRule("<think>(.*)</think>\\s*<answer>(.*)</answer>", PatternRule.Use.MATCHES),
          new PatternRule("answer: (\\S+)", PatternRule.Use.CAPTURES),
          new LengthRule(1, 100),
          new RepetitionRule(3, -1));

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "She pays 3 * 24 = 72.\\n#### 72 | 72",
        "So #### 72.00 | 72",
        "So #### $1,234 | Half of it is left.\\n#### 1234",
        "So####-5 | -5",
        "So #### 3\\nNo.\\n#### 4 | 4",
      })
  void markedNumber_rightAnswers(String answer, String reference) {
    assertThat(
            new NumberAnswer(NumberAnswer.Place.MARKED)
                .score(answer.replace("\\n", "\n"), reference.replace("\\n", "\n")))
        .isEqualTo(RIGHT);
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "72 | 72",
        "So #### seventy-two | 72",
        "So #### 7 2 | 72",
        "So #### | 72",
        "So #### 73 | 72"
      })
  void markedNumber_wrongAnswers(String answer, String reference) {
    assertThat(new NumberAnswer(NumberAnswer.Place.MARKED).score(answer, reference))
        .isEqualTo(WRONG);
  }

  @Test
  void lastNumber_dotsAfterIt_areNoNumber() {
    Rule last = new NumberAnswer(NumberAnswer.Place.LAST);
    assertThat(last.score("That makes 42 ... I think.", "42")).isEqualTo(RIGHT);
    assertThat(last.score("no digits", "42")).isEqualTo(WRONG);
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        // After the word "answer"
        "The answer is 3 + 4 = 7. | 7",
        "I count 12 ways, so the answer is $\\frac{3}{4}$. | 0.75",
        "Final answer: 1/2 | \\frac{1}{2}",
        "The answer is 12.5% of it. | 0.125",
        "The answer is (C) because 3 > 2. | C",
        // Formulas and numbers without it
        "So $x = 3$ and then \\(y = \\sqrt{16}\\) | 4",
        "It costs $5 and that costs $6 | 6",
        "\\[ x^2 - 1 \\] | (x-1)(x+1)",
        "2x + 1 | 1 + 2x",
        // Numbers
        "\\boxed{12345678901234567890} | 12345678901234567890",
        "\\boxed{\\frac{6}{4}} | 1.5",
        "\\boxed{2^{10}} | 1024",
        "\\boxed{2^10} | 1024",
        "\\boxed{\\sqrt[3]{27}} | 3",
        "\\boxed{\\log_2 8} | 3",
        "\\boxed{\\binom{5}{2}} | 10",
        "\\boxed{-\\infty} | -\\infty",
        "\\boxed{1.5\\cdot10^{400}} | 15\\cdot10^{399}",
        "\\boxed{5\\text{ cm}^2} | 5",
        "\\boxed{12 \\%} | 12%",
        // Formulas
        "\\boxed{\\frac{x^2-1}{x-1}} | x+1",
        "\\boxed{e^{i\\pi}} | -1",
        "\\boxed{\\sin 2x} | 2\\sin x\\cos x",
        "\\boxed{x_1 + x_2} | x_2 + x_1",
        "\\boxed{\\ln(e^3)} | 3",
        "\\boxed{1 \\pm \\sqrt{2}} | 1+\\sqrt2, 1-\\sqrt2",
        // Several
        "\\boxed{\\{1, \\{2,3\\}\\}} | \\{\\{3,2\\},1\\}",
        "\\boxed{\\emptyset} | \\{\\}",
        "\\boxed{x \\in [0, 1)} | [0,1)",
        "\\boxed{(3,\\infty)} | x > 3",
        "\\boxed{2x = 4} | x = 2",
        "\\boxed{\\begin{pmatrix} \\frac12 & 0 \\\\ 0 & 1 \\end{pmatrix}} | \\begin{pmatrix} 0.5 &"
            + " 0 \\\\ 0 & 1 \\end{pmatrix}",
        "\\boxed{4} so, again, \\boxed{4} | 4",
        "\\boxed{\\text{Even}} | even",
        // Written in other signs
        "\\boxed{2π} | 2\\pi",
        "\\boxed{x ≤ 3} | x \\le 3",
        "\\boxed{−5} | -5"
      })
  void mathAnswer_sameMeaning_isRight(String answer, String reference) {
    assertThat(new MathAnswer().score(answer, reference)).isEqualTo(RIGHT);
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "\\boxed{12345678901234567890} | 12345678901234567891",
        "\\boxed{10^{-9}} | 0",
        "\\boxed{x+1} | x+2",
        "\\boxed{x+1} | y+1",
        "\\boxed{x^2} | x^3",
        "\\boxed{x=5} | y=5",
        "\\boxed{x > 3} | x \\ge 3",
        "\\boxed{x > 3} | x < 3",
        "\\boxed{1,2} | 1,2,3",
        "\\boxed{1,1} | 1,2",
        "\\boxed{[0,1]} | [0,1)",
        "\\boxed{2 3} | 6",
        "\\boxed{\\frac{1}{0}} | 5",
        "\\boxed{3 \\text{ or } 4} | 4",
        "\\boxed{even} | odd",
        "The answer is (B), not (C). | C",
        "I do not know. | 5",
        "\\boxed{\\infty} | -\\infty",
        "\\boxed{10^{400}} | \\infty",
        "\\boxed{e^{1000}} | e^{2000}",
        "\\boxed{1.5\\cdot10^{400}} | 1.6\\cdot10^{400}",
        "\\boxed{\\frac{1}{0}} | \\infty",
        "\\boxed{(4,\\infty)} | x > 3",
        "\\boxed{x > 3} | (3,\\infty)"
      })
  void mathAnswer_otherMeaning_isWrong(String answer, String reference) {
    assertThat(new MathAnswer().score(answer, reference)).isEqualTo(WRONG);
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "\\boxed{\\dfrac{1}{2}} | \\frac12",
        "\\boxed{\\frac1{72}} | \\frac{1}{72}",
        "\\boxed{\\sqrt3} | \\sqrt{3}",
        "\\boxed{.5} | 0.5",
        "\\boxed{3/4} | \\frac{3}{4}",
        "\\boxed{\\left(1, 2\\right)} | (1,2)",
        "\\boxed{1} then \\boxed{\\boxed{2}} | \\boxed{2}"
      })
  void mathText_sameWhenWrittenInOneWay_isRight(String answer, String reference) {
    assertThat(new MathText().score(answer, reference))
        .isEqualTo(answer.contains("\\boxed{\\boxed") ? WRONG : RIGHT);
  }

  @Test
  void mathAnswer_absoluteValue_isRead() {
    assertThat(new MathAnswer().score("\\boxed{|-3|}", "3")).isEqualTo(RIGHT);
  }

  @Test
  void emptyReference_isNoVerdict() {
    for (Rule rule : ALL.subList(0, 6)) {
      assertThat(rule.score("\\boxed{5} #### 5", " "))
          .as("%s", rule)
          .isInstanceOf(Score.Unscored.class);
    }
    assertThat(new NumberAnswer(NumberAnswer.Place.LAST).score("5", "five"))
        .isEqualTo(new Score.Unscored("the reference has no number", "five"));
  }

  @Test
  void exactAnswer_whiteSpaceAside() {
    Rule exact = new ExactAnswer(ExactAnswer.LetterCase.KEPT);
    assertThat(exact.score(" New\n York ", "New York")).isEqualTo(RIGHT);
    assertThat(exact.score("new york", "New York")).isEqualTo(WRONG);
    assertThat(new ExactAnswer(ExactAnswer.LetterCase.IGNORED).score("new york", "New York"))
        .isEqualTo(RIGHT);
  }

  @Test
  void pattern_uses_differ() {
    String text = "<think>\n2+2\n</think>\n<answer>4</answer>\n";
    String format = "<think>.*</think>\\s*<answer>(.*)</answer>";
    assertThat(new PatternRule(format, PatternRule.Use.MATCHES).score(text, "")).isEqualTo(RIGHT);
    assertThat(new PatternRule(format, PatternRule.Use.MATCHES).score("Well: " + text, ""))
        .isEqualTo(WRONG);
    assertThat(new PatternRule(format, PatternRule.Use.CONTAINS).score("Well: " + text, ""))
        .isEqualTo(RIGHT);
    assertThat(new PatternRule(format, PatternRule.Use.CAPTURES).score(text, " 4 "))
        .isEqualTo(RIGHT);
    assertThat(new PatternRule(format, PatternRule.Use.CAPTURES).score(text, "5")).isEqualTo(WRONG);
  }

  @Test
  void pattern_endlessBacktracking_isNoVerdictAndSoon() {
    Rule rule = new PatternRule(".*.*.*.*.*.*.*c", PatternRule.Use.CONTAINS);
    String text = "a".repeat(300);
    Score verdict =
        Assertions.assertTimeoutPreemptively(Duration.ofSeconds(60), () -> rule.score(text, ""));
    assertThat(verdict)
        .isEqualTo(
            new Score.Unscored(
                "a pattern backtracks too long",
                "the expression .*.*.*.*.*.*.*c, on an answer of 300 characters"));
  }

  @Test
  void pattern_deepNesting_isNoVerdict() {
    Rule rule = new PatternRule("(a|b)*c", PatternRule.Use.MATCHES);
    assertThat(rule.score("ab".repeat(200_000), "")).isInstanceOf(Score.Unscored.class);
  }

  @Test
  void pattern_badExpressions_areErrors() {
    assertThatThrownBy(() -> new PatternRule("(", PatternRule.Use.MATCHES))
        .hasMessage(
            "the expression ( is to be a regular expression; Unclosed group at character 2");
    assertThatThrownBy(() -> new PatternRule("a", PatternRule.Use.CAPTURES))
        .hasMessageContaining("one with a group to capture an answer");
  }

  @Test
  void length_countsWords() {
    Rule rule = new LengthRule(2, 3);
    assertThat(rule.score("one", "")).isEqualTo(WRONG);
    assertThat(rule.score(" one  two ", "")).isEqualTo(RIGHT);
    assertThat(rule.score("one two three four", "")).isEqualTo(WRONG);
    assertThat(new LengthRule(0, 1).score("  ", "")).isEqualTo(RIGHT);
    assertThatThrownBy(() -> new LengthRule(3, 2)).hasMessageContaining("0 ≤ fewest ≤ most");
  }

  @Test
  void repetition_isTheShareOfRepeatedGrams() {
    // "a b c a b c": abc bca cab abc, 3 of 4 different.
    Score verdict = new RepetitionRule(3, -1).score("a b c A b c", "");
    assertThat(((Score.Value) verdict).value()).isCloseTo(-.25, within(1e-12));
    assertThat(new RepetitionRule(3, -1).score("a b", "")).isEqualTo(Score.of(0));
    assertThat(new RepetitionRule(1, -1).score("", "")).isEqualTo(Score.of(0));
    assertThatThrownBy(() -> new RepetitionRule(3, 1)).hasMessageContaining("at most 0");
  }

  @Test
  void score_notFinite_isNone() {
    assertThat(Score.of(Double.NaN)).isEqualTo(new Score.Unscored("not a finite number", "NaN"));
  }

  /** Pieces that readers stumble over, in any order. */
  @Property(tries = 500)
  void anyText_everyRule_givesAVerdict(
      @ForAll long seed,
      @ForAll @IntRange(max = 40) int answer,
      @ForAll @IntRange(max = 12) int reference) {
    SplittableRandom random = new SplittableRandom(seed);
    String text = pieces(random, answer);
    String right = pieces(random, reference);
    for (Rule rule : ALL) {
      Score verdict =
          Assertions.assertTimeout(
              Duration.ofSeconds(60),
              () -> rule.score(text, right),
              () -> String.format(Locale.ROOT, "%s on %s ~ %s, seed %d", rule, text, right, seed));
      assertThat(verdict).isNotNull();
    }
    // A reference is its own exact answer.
    if (!right.isBlank()) {
      assertThat(new ExactAnswer(ExactAnswer.LetterCase.KEPT).score(right, right)).isEqualTo(RIGHT);
    }
  }

  private static String pieces(SplittableRandom random, int count) {
    String[] pieces = {
      "\\boxed{",
      "}",
      "{",
      "\\frac",
      "\\sqrt",
      "[",
      "]",
      "(",
      ")",
      "1",
      "27",
      ".",
      ",",
      "0.5",
      "x",
      "e",
      "i",
      "^",
      "_",
      "!",
      "%",
      "\\%",
      "+",
      "-",
      "/",
      "=",
      "<",
      "\\le ",
      "\\cup ",
      "\\pm ",
      "\\text{",
      "\\text{ and }",
      "\\{",
      "\\}",
      "\\begin{pmatrix}",
      "\\end{pmatrix}",
      "\\\\",
      "&",
      "|",
      "$",
      "\\(",
      "\\)",
      "\\[",
      "\\]",
      "answer is ",
      "#### ",
      "9".repeat(30),
      "\\infty",
      " ",
      "\n",
      "\\sin ",
      "\\log_",
      "\\binom",
      "\uD83D\uDE00",
      "\uD800",
      "İ",
      "\\",
      "\u0000",
      "×"
    };
    StringBuilder text = new StringBuilder();
    for (int i = 0; i < count; i++) {
      text.append(pieces[random.nextInt(pieces.length)]);
    }
    return text.toString();
  }

  @ParameterizedTest
  @CsvSource({
    "\\boxed{",
    "(",
    "{",
    "[",
    "\\frac",
    "\\sqrt",
    "9",
    "9^",
    "9!",
    "x^",
    "1,",
    "$",
    "\\(",
    "\\[1",
    "-",
    "|",
    "\\{",
    "a ",
    "#### 1",
    "\\boxed{1}",
    "\\text{",
    "+1",
    "1+",
    ".",
    "\\sin",
    "answer "
  })
  void longText_ofOnePiece_isDoneSoon(String piece) {
    String text = piece.repeat(200_000 / piece.length());
    String shorter = piece.repeat(900 / piece.length());
    for (Rule rule : ALL) {
      Assertions.assertTimeoutPreemptively(
          Duration.ofSeconds(60),
          () -> {
            assertThat(rule.score(text, "1")).isNotNull();
            assertThat(rule.score("\\boxed{" + shorter + "}", shorter)).isNotNull();
          },
          () -> rule + " on many " + piece);
    }
  }
}
