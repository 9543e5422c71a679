/**
 * Models in GGUF files, llama.cpp's format: read where they lie and dequantised tensor by tensor.
 *
 * <p>Everything that is wrong with a file is a {@link
 * dev.troupe.models.checkpoint.CheckpointException} whose message is complete for the user.
 */
@NullMarked
package dev.troupe.models.checkpoint.gguf;

import org.jspecify.annotations.NullMarked;
