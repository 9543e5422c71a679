/**
 * Model checkpoints as files: Hugging Face directories of Llama-architecture models, read by memory
 * mapping and written back.
 *
 * <p>Plain {@code java.nio}: no tensor library is needed to read, check or write a checkpoint. Only
 * safetensors is opened; a pickle file is refused, since unpickling runs whatever code the file
 * contains. Everything that is wrong with the files is a {@link
 * dev.troupe.models.checkpoint.CheckpointException} whose message is complete for the user.
 */
@NullMarked
package dev.troupe.models.checkpoint;

import org.jspecify.annotations.NullMarked;
