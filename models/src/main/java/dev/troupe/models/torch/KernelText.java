package dev.troupe.models.torch;

import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** Kernel sources put together. */
final class KernelText {
  private static final Pattern FUNCTION = Pattern.compile("def (\\w+)\\(");

  private KernelText() {}

  /**
   * One behind the other. A function that a later text defines again is blank lines in an earlier
   * one, so that the first text's lines keep their numbers.
   */
  static String joined(List<String> texts) {
    Set<String> later = new HashSet<>();
    List<String> out = new ArrayList<>();
    for (int i = texts.size() - 1; i >= 0; i--) {
      List<String> lines = new ArrayList<>();
      Set<String> own = new HashSet<>();
      boolean hidden = false;
      for (String line : texts.get(i).split("\n", -1)) {
        Matcher function = FUNCTION.matcher(line);
        if (function.lookingAt()) {
          hidden = later.contains(function.group(1));
          own.add(function.group(1));
        } else if (!line.isBlank() && !line.startsWith(" ")) {
          hidden = false;
        }
        lines.add(hidden ? "" : line);
      }
      later.addAll(own);
      out.add(0, String.join("\n", lines));
    }
    return String.join("\n", out);
  }
}
