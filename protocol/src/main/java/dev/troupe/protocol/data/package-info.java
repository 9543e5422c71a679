/**
 * Plain values of the field: prompts, rollouts, experiences, sequences to train on. No actors, no
 * engine, no I/O; the algorithms see these and nothing else. Letters: B sequences in a batch, T
 * tokens of one sequence, R response tokens, N read positions of one sequence.
 */
@NullMarked
package dev.troupe.protocol.data;

import org.jspecify.annotations.NullMarked;
