/**
 * A whole run: its configuration, its stages in order, its directory and its result. {@link
 * dev.troupe.actors.pipeline.Pipeline} is the way in for a program.
 */
@NullMarked
package dev.troupe.actors.pipeline;

import org.jspecify.annotations.NullMarked;
