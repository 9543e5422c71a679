package dev.troupe.configuration;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.Set;
import java.util.stream.Collectors;

/**
 * What a key that does not exist may have been meant for: looked for in the section that it stands
 * in, then in the sections below that, then in those above.
 */
final class Suggestions {
  /** More than these are not named. */
  private static final int MOST = 3;

  private static final int SHORTEST_BEGINNING = 4;

  private final List<String> paths;

  Suggestions(Class<?> root) {
    this.paths = RecordKeys.paths(root);
  }

  /**
   * What follows "unknown key 'section.key'".
   *
   * @param type the record of the section
   */
  String of(String key, String section, Class<?> type) {
    for (Class<?> choice : RecordKeys.siblings(type)) {
      if (RecordKeys.names(choice).contains(key)) {
        return String.format(
            Locale.ROOT,
            "; it belongs to type %s, and '%s' is %s",
            RecordKeys.chosenBy(choice),
            joined(section, RecordBinder.TYPE),
            RecordKeys.chosenBy(type));
      }
    }
    List<String> known = RecordKeys.names(type);
    Optional<String> here = Names.nearest(key, known).map(name -> joined(section, name));
    List<String> meant = here.map(List::of).orElseGet(() -> elsewhere(key, section));
    return meant.isEmpty()
        ? "; known here: " + String.join(", ", known)
        : "; did you mean "
            + meant.stream()
                .limit(MOST)
                .map(path -> "'" + path + "'")
                .collect(Collectors.joining(" or "))
            + "?";
  }

  private List<String> elsewhere(String key, String section) {
    String within = section;
    while (true) {
      String prefix = within.isEmpty() ? "" : within + ".";
      List<String> below = paths.stream().filter(path -> path.startsWith(prefix)).toList();
      List<String> found = nearest(key, prefix, below);
      if (!found.isEmpty() || within.isEmpty()) {
        return found;
      }
      within = within.contains(".") ? within.substring(0, within.lastIndexOf('.')) : "";
    }
  }

  /** All that are equally near, the shallow ones first; none where none is near enough. */
  private static List<String> nearest(String key, String prefix, List<String> below) {
    int best = Integer.MAX_VALUE;
    List<String> found = new ArrayList<>();
    for (String path : below) {
      for (String spelling : spellings(path.substring(prefix.length()))) {
        int distance = distance(key, spelling);
        if (distance > Names.tolerance(key) || distance > best) {
          continue;
        }
        if (distance < best) {
          best = distance;
          found.clear();
        }
        if (!found.contains(path)) {
          found.add(path);
        }
      }
    }
    found.sort(Comparator.comparingInt(path -> path.split("\\.", -1).length));
    return found;
  }

  /** A beginning, such as kl-coef, is as near as one wrong letter. */
  private static int distance(String key, String spelling) {
    String dashed = key.replace('_', '-');
    return dashed.length() >= SHORTEST_BEGINNING && spelling.startsWith(dashed)
        ? Math.min(1, Names.distance(key, spelling))
        : Names.distance(key, spelling);
  }

  /**
   * As what a person may remember it: by its last name, or by several of its names in a row, which
   * dashes join; the first of them and the last too.
   */
  private static Set<String> spellings(String path) {
    List<String> names = Arrays.asList(path.split("\\.", -1));
    Set<String> spellings = new LinkedHashSet<>();
    for (int from = 0; from < names.size(); from++) {
      spellings.add(String.join("-", names.subList(from, names.size())));
    }
    spellings.add(names.get(0) + "-" + names.get(names.size() - 1));
    return spellings;
  }

  private static String joined(String section, String key) {
    return section.isEmpty() ? key : section + "." + key;
  }
}
