/**
 * The recipes: one algorithm, one file, read from top to bottom over the ports; and their
 * configuration. A new algorithm copies a recipe and edits it.
 */
@NullMarked
package dev.troupe.rlhf.recipe;

import org.jspecify.annotations.NullMarked;
