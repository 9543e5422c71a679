/**
 * The run's own web page, its metrics endpoint and what they show. All of it is computed from the
 * event file of a run directory, so it works the same while the run lasts and years after; nothing
 * here talks to the run itself.
 */
@NullMarked
package dev.troupe.dashboard;

import org.jspecify.annotations.NullMarked;
