/**
 * The stages that a run can have: one description per algorithm, and the list of them. What
 * surrounds an algorithm (configuration, checks, memory plan, placement, pipeline, wire) reads
 * these and knows none by name.
 */
@NullMarked
package dev.troupe.rlhf.stage;

import org.jspecify.annotations.NullMarked;
