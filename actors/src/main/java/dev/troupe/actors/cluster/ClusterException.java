package dev.troupe.actors.cluster;

/** Nodes that cannot be reached, are missing or do not fit; the message is for the user. */
public final class ClusterException extends RuntimeException {
  public ClusterException(String message) {
    super(message);
  }
}
