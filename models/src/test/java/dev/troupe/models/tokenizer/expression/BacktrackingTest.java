package dev.troupe.models.tokenizer.expression;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class BacktrackingTest {
  /** What published tokenizers split with, by name. */
  @ParameterizedTest
  @ValueSource(
      strings = {
        // GPT-2
        "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+",
        // Llama 3
        "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+",
        // Qwen 3.5: marks beside letters
        "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?[\\p{L}\\p{M}]+|\\p{N}| ?[^\\s\\p{L}\\p{M}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+",
        // cl100k with possessive loops
        "'(?i:[sdmt]|ll|ve|re)|[^\\r\\n\\p{L}\\p{N}]?+\\p{L}+|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]++[\\r\\n]*|\\s*[\\r\\n]|\\s+(?!\\S)|\\s+",
        // o200k
        "[^\\r\\n\\p{L}\\p{N}]?[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]*[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|[^\\r\\n\\p{L}\\p{N}]?[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]+[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+",
        // Kimi K2
        "[\\p{Han}]+|[^\\r\\n\\p{L}\\p{N}]?[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}&&[^\\p{Han}]]*[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}&&[^\\p{Han}]]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|\\s+",
        // DeepSeek-V3
        "[!\"#$%&'()*+,\\-./:;<=>?@\\[\\\\\\]^_`{|}~][A-Za-z]+|[^\\r\\n\\p{L}\\p{P}\\p{S}]?[\\p{L}\\p{M}]+| ?[\\p{P}\\p{S}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+",
        // BLOOM
        " ?[^(\\s|[.,!?…。，、।۔،])]+",
        // CLIP
        "<\\|startoftext\\|>|<\\|endoftext\\|>|'s|'t|'re|'ve|'m|'ll|'d|[\\p{L}]+|[\\p{N}]|[^\\s\\p{L}\\p{N}]+",
        // groups of three digits from the right
        "\\d{1,3}(?=(?:\\d{3})*\\b)",
        // syllables: a loop within a loop, of letters that exclude each other
        "(?:\\p{L}\\p{M}*)+| ?[^\\s]+",
      })
  void longestText_publishedExpressions_holdsAContextFull(String expression) {
    assertThat(Backtracking.longestText(expression)).isGreaterThan(800_000);
  }

  /** What ends the process at some ten thousand letters or at a few dozen. */
  @ParameterizedTest
  @CsvSource(
      value = {
        "(a+)+b;0",
        "(a|a)*b;0",
        "(\\w+\\s*)+$;0",
        "(?:\\p{L}\\p{L}*)+\\d;0",
        "(a*)*b;0",
        "(.*)*x;0",
        "(?i)(k+)+x;0",
        "a*a*b;3000",
        "\\s*\\s+x;3000",
        ".*.*.*x;220",
      },
      delimiter = ';')
  void longestText_backtrackingExpressions_isShort(String expression, int atMost) {
    assertThat(Backtracking.longestText(expression)).isLessThanOrEqualTo(atMost);
  }

  /**
   * Llama 3's: of n blanks, the loop of the fifth alternative gives back one after another (n), and
   * that of the sixth may do so twice over (the look ahead is a trial of its own): 3 n of 8
   * million.
   */
  @Test
  void longestText_llama3_isAThirdOfTheTrials() {
    assertThat(Backtracking.longestText("\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"))
        .isBetween(2_600_000, 2_670_000);
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "(.)\\1",
        "(?<x>a)\\g<x>",
        "(?~ab)",
        "(?x) a",
        "(a",
        "a)",
        "[a",
        "\\",
        "\\X",
        "(?(1)a|b)",
        "(*FAIL)"
      })
  void longestText_whatCannotBeJudged_isSaid(String expression) {
    assertThatThrownBy(() -> Backtracking.longestText(expression))
        .isInstanceOf(ExpressionException.class)
        .hasMessageStartingWith("it has ");
  }

  @Test
  void longestText_thousandsOfGroups_areRefusedBeforeAnyStackEnds() {
    assertThatThrownBy(() -> Backtracking.longestText("(".repeat(9000) + "a" + ")".repeat(9000)))
        .isInstanceOf(ExpressionException.class)
        .hasMessageContaining("more than 100 groups within one another");
  }

  @Test
  void matchesNothing() {
    assertThat(Backtracking.matchesNothing("a*")).isTrue();
    assertThat(Backtracking.matchesNothing("(?=a)")).isTrue();
    assertThat(Backtracking.matchesNothing("")).isTrue();
    assertThat(Backtracking.matchesNothing("a|b?")).isTrue();
    assertThat(Backtracking.matchesNothing(" {2,}")).isFalse();
    assertThat(Backtracking.matchesNothing("(a*b)+")).isFalse();
  }
}
