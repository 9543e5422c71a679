/**
 * Scorers. Rules are pure functions from an answer's text and a reference to a {@link
 * dev.troupe.rlhf.port.Score}: no text makes one throw or run long, readers are linear or counted,
 * and what could not be decided says so instead of being 0. {@link
 * dev.troupe.rlhf.reward.RewardConfig} names them, {@link dev.troupe.rlhf.reward.Rewards} makes and
 * adds them up.
 *
 * <p>Not here: what asks a function of the user's, a process or another machine.
 */
@NullMarked
package dev.troupe.rlhf.reward;

import org.jspecify.annotations.NullMarked;
