/** A game as the environment of a run's episodes; docs/environments.md shows it. */
@NullMarked
package dev.troupe.tests.guess;

import org.jspecify.annotations.NullMarked;
