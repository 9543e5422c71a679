package dev.troupe.protocol.data;

import java.util.Map;
import java.util.TreeMap;

/**
 * What one call added to the gradient of the step to come.
 *
 * @param loss its share of the step's loss
 * @param metrics of its objective, summed over micro-batches
 */
public record Accumulated(double loss, Map<String, Double> metrics) {
  /** What both come to. */
  public Accumulated plus(Accumulated other) {
    Map<String, Double> sum = new TreeMap<>(metrics);
    other.metrics.forEach((name, value) -> sum.merge(name, value, Double::sum));
    return new Accumulated(loss + other.loss, sum);
  }
}
