package dev.troupe.rlhf.selfinstruct;

import java.util.List;
import java.util.Locale;
import java.util.regex.Pattern;
import java.util.stream.Stream;

/**
 * How much of two texts is the same words in the same order: ROUGE-L's F (Lin 2004, equations 2 to
 * 4 with β = 1), as Google's rouge_score has it without stemming: words are runs of a to z and
 * digits, lower case.
 */
final class RougeL {
  private static final Pattern OTHERS = Pattern.compile("[^a-z0-9]+");

  private RougeL() {}

  /** A text's words. */
  static List<String> words(String text) {
    return Stream.of(OTHERS.split(text.toLowerCase(Locale.ROOT)))
        .filter(word -> !word.isEmpty())
        .toList();
  }

  /** From 0, nothing, to 1, the same; 0 where either has no words. */
  static double f(List<String> a, List<String> b) {
    int common = longestCommonSubsequence(a, b);
    if (common == 0) {
      return 0;
    }
    double precision = (double) common / b.size();
    double recall = (double) common / a.size();
    return 2 * precision * recall / (precision + recall);
  }

  private static int longestCommonSubsequence(List<String> a, List<String> b) {
    int[] row = new int[b.size() + 1];
    for (String word : a) {
      int diagonal = 0;
      for (int j = 1; j <= b.size(); j++) {
        int above = row[j];
        row[j] = word.equals(b.get(j - 1)) ? diagonal + 1 : Math.max(above, row[j - 1]);
        diagonal = above;
      }
    }
    return row[b.size()];
  }
}
