package dev.troupe.rlhf.reward;

import dev.troupe.rlhf.port.Score;
import java.util.Arrays;
import java.util.HashSet;
import java.util.List;
import java.util.Locale;
import java.util.Set;

/**
 * A penalty for saying the same again (Yeo et al. 2025, arXiv:2502.03373, section 4.4; TRL): p·(1 −
 * different n-grams / n-grams), over words without regard to capitals. 0 for an answer of fewer
 * than n words.
 *
 * @param words n, at least 1, usually 3
 * @param penalty p, at most 0, usually −1
 */
public record RepetitionRule(int words, double penalty) implements Rule {
  public RepetitionRule {
    if (words < 1 || !(penalty <= 0) || !Double.isFinite(penalty)) {
      throw new IllegalArgumentException(
          "repetition counts n-grams of "
              + words
              + " words with a penalty of "
              + penalty
              + "; give at least 1 word and a penalty of at most 0");
    }
  }

  @Override
  public Score score(String answer, String reference) {
    List<String> text = Arrays.asList(answer.toLowerCase(Locale.ROOT).strip().split("\\s+"));
    int grams = text.size() - words + 1;
    if (grams < 1 || answer.isBlank()) {
      return Score.of(0);
    }
    Set<List<String>> different = new HashSet<>();
    for (int i = 0; i < grams; i++) {
      different.add(text.subList(i, i + words));
    }
    return Score.of(penalty * (1 - (double) different.size() / grams));
  }
}
