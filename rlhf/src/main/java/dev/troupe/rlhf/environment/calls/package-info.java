/**
 * Tool calls as models write them: each family has a form of its own, and one parser here. They
 * read what was sampled with its special tokens spelled out. Whatever a model says, nothing is
 * thrown and the time is bounded: what is no whole call is text, and counted.
 */
@NullMarked
package dev.troupe.rlhf.environment.calls;

import org.jspecify.annotations.NullMarked;
