package dev.troupe.models.checkpoint;

import java.util.Locale;

/**
 * Files of a model (weights, configuration, tokenizer, adapter) that cannot be used; the message
 * says all a user needs. What a damaged or hostile file puts into it, such as a name of many
 * thousand characters, is cut, and its control characters are shown as escapes.
 */
public final class CheckpointException extends RuntimeException {
  private static final long serialVersionUID = 1L;
  private static final int LONGEST = 2000;
  private static final int KEPT = 900;

  public CheckpointException(String message) {
    super(readable(message));
  }

  public CheckpointException(String message, Throwable cause) {
    super(readable(message), cause);
  }

  private static String readable(String message) {
    String cut = message;
    if (message.length() > LONGEST) {
      int left = message.length() - 2 * KEPT;
      cut =
          message.substring(0, KEPT)
              + " … "
              + left
              + " characters left out … "
              + message.substring(message.length() - KEPT);
    }
    StringBuilder shown = new StringBuilder();
    cut.chars()
        .forEach(
            c -> {
              if (Character.isISOControl(c) && c != '\n') {
                shown.append(String.format(Locale.ROOT, "\\u%04x", c));
              } else {
                shown.append((char) c);
              }
            });
    return shown.length() > LONGEST + KEPT
        ? shown.substring(0, LONGEST + KEPT) + "…"
        : shown.toString();
  }
}
