package dev.troupe.actors.cluster;

/**
 * A node's run goes on, or has ended, without it, as neither heard of the other. Nothing is wrong
 * with the node itself: started again, it can join anew.
 */
public final class CutOffException extends RuntimeException {
  private static final long serialVersionUID = 1L;

  CutOffException() {
    super(
        "this node is cut off from its run: the run's driver has ended, or they did not hear from"
            + " one another for too long; the run's notices say more");
  }
}
