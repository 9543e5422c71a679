package dev.troupe.rlhf.data;

/** Something is wrong with the user's data; the message says where, what and how to mend it. */
public final class DataException extends RuntimeException {
  public DataException(String message) {
    super(message);
  }

  public DataException(String message, Throwable cause) {
    super(message, cause);
  }

  /** At a line of a file. */
  static DataException at(Origin origin, String problem) {
    return new DataException(origin + ": " + problem);
  }
}
