/**
 * Jinja as chat templates use it, rendered as Python's jinja2 does with the settings, functions and
 * filters that {@code transformers} gives it. What of the language is not here is refused by name.
 *
 * <p>Every letter of the output knows which message said it, or that the template did; that is how
 * special tokens spelled out by a message stay text, and how the assistant's turns are found.
 */
@NullMarked
package dev.troupe.models.tokenizer.jinja;

import org.jspecify.annotations.NullMarked;
