package dev.troupe.engine.generation;

/**
 * What a flip to generation took and how exact it is.
 *
 * @param version of the parameters
 * @param shadowMillis merging and packing the weights
 * @param probeMillis comparing them with the training path
 * @param probeDifference largest difference of a log-probability found, in nats
 */
public record FlipReport(
    long version, double shadowMillis, double probeMillis, double probeDifference) {
  /** The whole flip. */
  public double millis() {
    return shadowMillis + probeMillis;
  }
}
