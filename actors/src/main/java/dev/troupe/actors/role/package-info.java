/** The roles as actors: each owns its engine, answers one request after another, never blocks. */
@NullMarked
package dev.troupe.actors.role;

import org.jspecify.annotations.NullMarked;
