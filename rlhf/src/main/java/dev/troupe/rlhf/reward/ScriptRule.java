package dev.troupe.rlhf.reward;

import dev.troupe.rlhf.port.Score;
import java.lang.Character.UnicodeScript;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.Set;
import java.util.stream.Collectors;

/**
 * The share of an answer's letters that belong to a language's scripts (DeepSeek-R1's language
 * consistency, arXiv:2501.12948, section 2.3.2, by scripts in place of words): it tells Chinese
 * from English and not German from English. 1 for an answer without letters.
 *
 * @param scripts by Unicode's names or codes, such as Latin or Latn
 */
public record ScriptRule(List<String> scripts) implements Rule {
  public ScriptRule {
    scripts = List.copyOf(scripts);
    Optional<String> unknown = unknown(scripts);
    if (scripts.isEmpty() || unknown.isPresent()) {
      throw new IllegalArgumentException(
          "the scripts are " + scripts + "; give one or more of Unicode's, such as Latin or Han");
    }
  }

  /** The first that Unicode does not know. */
  static Optional<String> unknown(List<String> scripts) {
    return scripts.stream().filter(name -> script(name).isEmpty()).findFirst();
  }

  private static Optional<UnicodeScript> script(String name) {
    try {
      return Optional.of(UnicodeScript.forName(name.toUpperCase(Locale.ROOT)));
    } catch (IllegalArgumentException e) {
      return Optional.empty();
    }
  }

  @Override
  public Score score(String answer, String reference) {
    Set<UnicodeScript> wanted =
        scripts.stream().flatMap(name -> script(name).stream()).collect(Collectors.toSet());
    int[] letters = answer.codePoints().filter(Character::isLetter).toArray();
    int within = 0;
    for (int letter : letters) {
      within += wanted.contains(UnicodeScript.of(letter)) ? 1 : 0;
    }
    return Score.of(letters.length == 0 ? 1 : (double) within / letters.length);
  }
}
