package dev.troupe.rewards;

import java.math.BigDecimal;
import java.util.List;
import java.util.Locale;

/** Whether a program printed what it was to print, as LiveCodeBench compares. */
final class ProgramOutput {
  private static final int LONGEST_NUMBER = 100;
  private static final double TOLERANCE = 1e-6;

  private ProgramOutput() {}

  /**
   * Line by line, white space around each aside: the same; or yes and no without regard to
   * capitals; or the same numbers word by word. Numbers are the same where they are equal, or,
   * where one of two is written with a decimal point, within 1e-6, absolute or relative; numbers of
   * more than {@value #LONGEST_NUMBER} characters only where they are the same text.
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
      boolean pointed = ours.indexOf('.') >= 0 || theirs.indexOf('.') >= 0;
      return a.compareTo(b) == 0 || (pointed && near(a.doubleValue(), b.doubleValue()));
    } catch (NumberFormatException e) {
      return false;
    }
  }

  /** Beyond a double's range nothing is near: infinity would be near everything. */
  private static boolean near(double x, double y) {
    double largest = Math.max(Math.abs(x), Math.abs(y));
    return Double.isFinite(largest) && Math.abs(x - y) <= TOLERANCE * Math.max(1, largest);
  }
}
