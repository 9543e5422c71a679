package dev.troupe.rlhf.evaluation;

import dev.troupe.rlhf.data.Trained;

/**
 * Perplexity of the texts of data.sft.
 *
 * @param tokens which are read
 */
public record PerplexityConfig(Trained tokens) {}
