package dev.troupe.rewards;

import java.math.BigDecimal;
import java.util.List;
import java.util.Locale;

/** Whether a program printed what it was to print, as LiveCodeBench compares. */
final class ProgramOutput {
  private static final int LONGEST_NUMBER = 100;

  private ProgramOutput() {}

  /**
   * Line by line, white space around each aside: the same; or yes and no without regard to
   * capitals; or the same numbers, to 1e-6 where one has a point.
   */
  static boolean same(String printed, String expected) {
    List<String> ours = lines(printed);
    List<String> theirs = lines(expected);
    if (ours.size() != theirs.size()) {
      return false;
    }
    for (int i = 0; i < ours.size(); i++) {
      if (!sameLine(ours.get(i), theirs.get(i))) {
        return false;
      }
    }
    return true;
  }

  private static List<String> lines(String text) {
    return text.strip().lines().map(String::strip).toList();
  }

  private static boolean sameLine(String ours, String theirs) {
    if (ours.equals(theirs)) {
      return true;
    }
    String lower = ours.toLowerCase(Locale.ROOT);
    if ((lower.equals("yes") || lower.equals("no"))
        && lower.equals(theirs.toLowerCase(Locale.ROOT))) {
      return true;
    }
    String[] a = ours.split("\\s+", -1);
    String[] b = theirs.split("\\s+", -1);
    if (a.length != b.length) {
      return false;
    }
    for (int i = 0; i < a.length; i++) {
      if (!sameNumber(a[i], b[i])) {
        return false;
      }
    }
    return true;
  }

  private static boolean sameNumber(String ours, String theirs) {
    if (ours.length() > LONGEST_NUMBER || theirs.length() > LONGEST_NUMBER) {
      return ours.equals(theirs);
    }
    try {
      BigDecimal a = new BigDecimal(ours);
      BigDecimal b = new BigDecimal(theirs);
      boolean whole = ours.matches("[-+]?\\d+") && theirs.matches("[-+]?\\d+");
      if (whole) {
        return a.compareTo(b) == 0;
      }
      double x = a.doubleValue();
      double y = b.doubleValue();
      return x == y || Math.abs(x - y) <= 1e-6 * Math.max(1, Math.max(Math.abs(x), Math.abs(y)));
    } catch (NumberFormatException e) {
      return false;
    }
  }
}
