/**
 * The command line: what a person types, what they see, and what a script may rely on. The only
 * module that wires all others. One class per command; configuration is read in {@code
 * dev.troupe.configuration}.
 */
@NullMarked
package dev.troupe.launcher;

import org.jspecify.annotations.NullMarked;
