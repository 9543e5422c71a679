/**
 * How much work the regular expressions of a tokenizer may make of a text. The tokenizers library
 * runs them with Oniguruma, which tries again and again and, after ten million trials at one place,
 * gives up in a way that ends the process. So it is counted beforehand.
 */
@NullMarked
package dev.troupe.models.tokenizer.expression;

import org.jspecify.annotations.NullMarked;
