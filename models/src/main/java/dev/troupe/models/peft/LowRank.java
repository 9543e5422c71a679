package dev.troupe.models.peft;

/**
 * What an adapter adds to one linear layer's weight: scale · B A.
 *
 * @param a {@code (rank, inputs)}, row by row
 * @param b {@code (outputs, rank)}, row by row, in the base's own order of rows
 */
public record LowRank(int rank, int inputs, int outputs, double scale, float[] a, float[] b) {}
