/**
 * The recipes: one algorithm, one file, read from top to bottom over the ports; and their
 * configuration. docs/adding-an-algorithm.md adds one.
 */
@NullMarked
package dev.troupe.rlhf.recipe;

import org.jspecify.annotations.NullMarked;
