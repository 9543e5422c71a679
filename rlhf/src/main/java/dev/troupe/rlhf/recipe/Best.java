package dev.troupe.rlhf.recipe;

/**
 * The best state that a stage has measured.
 *
 * @param metric by which, as docs/metrics.md names it
 * @param step after which it was
 */
public record Best(String metric, long step, double value) {}
