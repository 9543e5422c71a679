/** An algorithm of a user's own, whole: docs/adding-an-algorithm.md shows it. */
@NullMarked
package dev.troupe.tests.reinforce;

import org.jspecify.annotations.NullMarked;
