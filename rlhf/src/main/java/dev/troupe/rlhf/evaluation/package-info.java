/**
 * Measures of a model on data, outside a run: perplexity, rewards and pass@k of sampled answers,
 * win rates, classification by a template. Arithmetic over ports; whoever calls brings the models.
 */
@NullMarked
package dev.troupe.rlhf.evaluation;

import org.jspecify.annotations.NullMarked;
