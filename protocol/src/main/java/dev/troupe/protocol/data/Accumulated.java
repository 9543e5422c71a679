package dev.troupe.protocol.data;

import java.util.Map;

/**
 * What one call added to the gradient of the step to come.
 *
 * @param loss its share of the step's loss
 * @param metrics of its objective, summed over micro-batches
 */
public record Accumulated(double loss, Map<String, Double> metrics) {}
