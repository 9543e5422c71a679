/**
 * Text to tokens and back: Hugging Face {@code tokenizer.json} files, chat templates, and a trainer
 * for small byte-level BPE vocabularies. Needs no model and no tensor library. What is wrong with
 * the files is a {@link dev.troupe.models.checkpoint.CheckpointException}.
 */
@NullMarked
package dev.troupe.models.tokenizer;

import org.jspecify.annotations.NullMarked;
