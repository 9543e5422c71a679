/**
 * The decoder on torch: frozen base weights that roles share, the flat buffer of what one role
 * trains, and the kernels over both. Letters: B rows, T tokens a row, d hidden width, r LoRA rank,
 * M read positions of a batch.
 */
@NullMarked
package dev.troupe.models.decoder;

import org.jspecify.annotations.NullMarked;
