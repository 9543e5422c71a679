/** New models: a tokenizer trained on a text and random weights, as a checkpoint directory. */
@NullMarked
package dev.troupe.models.fresh;

import org.jspecify.annotations.NullMarked;
