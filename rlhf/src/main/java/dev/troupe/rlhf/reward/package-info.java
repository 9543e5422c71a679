/**
 * Rewards that can be checked: pure functions from an answer's text and a reference to a {@link
 * dev.troupe.rlhf.reward.Verdict}. No text makes one throw or run long: readers are linear or
 * counted, and what could not be decided says so instead of being 0.
 *
 * <p>Not here: what asks a model, a process or another machine.
 */
@NullMarked
package dev.troupe.rlhf.reward;

import org.jspecify.annotations.NullMarked;
