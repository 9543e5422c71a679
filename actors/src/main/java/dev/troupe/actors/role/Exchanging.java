package dev.troupe.actors.role;

/**
 * How replicas of a role are to exchange gradients.
 *
 * @param by what carries them
 * @param fast whether Gloo may add them up in its own order, so that their sum's last digits follow
 *     from the number of replicas
 * @param sharded whether each holds the optimiser's state of its shard alone, and gets the gradient
 *     of that
 */
public record Exchanging(By by, boolean fast, boolean sharded) {
  /** Each with all of the state. */
  public Exchanging(By by, boolean fast) {
    this(by, fast, false);
  }

  /** What carries gradients. */
  public enum By {
    /** Gloo where every replica can, else messages. */
    AUTO,
    GLOO,
    MESSAGES
  }

  /** As is best where they are, in order. */
  public static final Exchanging AUTO = new Exchanging(By.AUTO, false);
}
