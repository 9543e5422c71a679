/**
 * Weights in blocks of numbers that share a scale: codes, scales, their layout in memory and in
 * files, in plain Java.
 */
@NullMarked
package dev.troupe.models.quantisation;

import org.jspecify.annotations.NullMarked;
