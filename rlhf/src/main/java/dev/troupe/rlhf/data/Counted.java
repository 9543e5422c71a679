package dev.troupe.rlhf.data;

import java.util.Locale;

/** A number of things, for a person. */
public final class Counted {
  private Counted() {}

  /**
   * "1 text", "2 texts", "0 texts".
   *
   * @param plural whose first word ends with s, such as "texts" or "texts of pre-training"
   */
  public static String of(long count, String plural) {
    String what = count == 1 ? plural.replaceFirst("s\\b", "") : plural;
    return String.format(Locale.ROOT, "%d %s", count, what);
  }
}
