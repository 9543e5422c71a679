/**
 * From the user's files to examples: reading, recognising and blending records, splitting them over
 * stages, tokenizing them under an explicit length policy, and drawing batches. It knows no model;
 * the tokenizer comes in through {@link dev.troupe.rlhf.port.Text}.
 */
@NullMarked
package dev.troupe.rlhf.data;

import org.jspecify.annotations.NullMarked;
