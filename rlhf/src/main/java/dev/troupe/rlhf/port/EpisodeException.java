package dev.troupe.rlhf.port;

/**
 * An episode that cannot go on, or whose environment could not judge it. It has no score: it is
 * left out and counted by the reason, as an answer is that has none ({@link Score.Unscored}).
 */
public final class EpisodeException extends Exception {
  private static final long serialVersionUID = 1;

  private final String reason;

  /**
   * @param reason a kind of failure, by which is counted
   * @param detail what happened this time, for a person
   */
  public EpisodeException(String reason, String detail) {
    super(detail);
    this.reason = reason;
  }

  /** A kind of failure, by which is counted. */
  public String reason() {
    return reason;
  }

  /** As a score that is not there. */
  public Score.Unscored unscored() {
    return new Score.Unscored(reason, String.valueOf(getMessage()));
  }
}
