/**
 * Sampling from a model in training: weights merged with what is trained and packed for speed, a
 * static cache of keys and values, and the flip between training and generating, which is checked
 * each time. Letters: B rows, P prompt tokens, S cache slots, V vocabulary.
 */
@NullMarked
package dev.troupe.engine.generation;

import org.jspecify.annotations.NullMarked;
