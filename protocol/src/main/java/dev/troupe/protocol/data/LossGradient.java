package dev.troupe.protocol.data;

import java.util.List;
import java.util.Map;

/**
 * A micro-batch's share of a loss, and the gradient of that share.
 *
 * @param loss this micro-batch's contribution; contributions of all micro-batches add up to the
 *     step's loss
 * @param gradients per example, per sequence of that example
 * @param metrics contributions by name (docs/metrics.md), which add up over micro-batches as the
 *     loss does
 */
public record LossGradient(
    double loss, List<List<TokenGradients>> gradients, Map<String, Double> metrics) {}
