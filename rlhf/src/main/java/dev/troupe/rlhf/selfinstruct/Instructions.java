package dev.troupe.rlhf.selfinstruct;

import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/** All instructions so far, and what may join them: the paper's filters (section 2.2 and A.1). */
final class Instructions {
  private static final int FEWEST_WORDS = 4;
  private static final int MOST_WORDS = 150;
  private static final Pattern BLANKS = Pattern.compile("\\s+");

  private static final Pattern KEYWORDS =
      Pattern.compile(
          Stream.of(
                  "image images graph graphs picture pictures file files map maps draw plot video"
                      + " audio music flowchart diagram")
              .flatMap(words -> Stream.of(words.split(" ")))
              .collect(Collectors.joining("|", "\\b(?:", "|go to)\\b")),
          Pattern.CASE_INSENSITIVE);

  private final double similar;
  private final List<List<String>> words = new ArrayList<>();

  /**
   * @param similar from which ROUGE-L on an instruction is too much like another
   */
  Instructions(double similar) {
    this.similar = similar;
  }

  /** As it is kept: blanks made one, a capital first. */
  static String tidy(String written) {
    String text = BLANKS.matcher(written.strip()).replaceAll(" ");
    return text.isEmpty()
        ? text
        : text.substring(0, 1).toUpperCase(Locale.ROOT) + text.substring(1);
  }

  /** Why it may not join; nothing where it may. Of a tidy one. */
  Optional<Drop> objection(String instruction) {
    int count = instruction.split(" ").length;
    char first = instruction.isEmpty() ? ' ' : instruction.charAt(0);
    if (instruction.isEmpty() || count < FEWEST_WORDS) {
      return Optional.of(Drop.TOO_SHORT);
    }
    if (count > MOST_WORDS) {
      return Optional.of(Drop.TOO_LONG);
    }
    if (KEYWORDS.matcher(instruction).find()) {
      return Optional.of(Drop.KEYWORD);
    }
    if (instruction.startsWith("Write a program")) {
      return Optional.of(Drop.PROGRAM);
    }
    if (first > 127) {
      return Optional.of(Drop.NOT_ENGLISH);
    }
    if (!Character.isLetterOrDigit(first)) {
      return Optional.of(Drop.PUNCTUATION);
    }
    List<String> own = RougeL.words(instruction);
    return words.stream().anyMatch(other -> RougeL.f(other, own) >= similar)
        ? Optional.of(Drop.SIMILAR)
        : Optional.empty();
  }

  void add(String instruction) {
    words.add(RougeL.words(instruction));
  }
}
