package dev.troupe.protocol.data;

/**
 * Sizes over one optimiser step, whatever its micro-batches: what a mean divides by.
 *
 * @param examples number of {@link Example}s
 * @param reads sum of N over their sequences
 */
public record BatchTotals(long examples, long reads) {}
