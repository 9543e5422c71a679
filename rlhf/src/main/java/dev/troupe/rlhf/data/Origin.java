package dev.troupe.rlhf.data;

/**
 * Where a record came from.
 *
 * @param file as the user named it
 * @param line 1-based, of the record's first character
 */
public record Origin(String file, long line) {
  @Override
  public String toString() {
    return file + ":" + line;
  }
}
