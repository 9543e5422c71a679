/**
 * What the recipes need from the world. Implemented by actors (or by a test); nothing here says
 * where a role runs.
 */
@NullMarked
package dev.troupe.rlhf.port;

import org.jspecify.annotations.NullMarked;
