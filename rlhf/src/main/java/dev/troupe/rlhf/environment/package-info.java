/** Episodes of several turns: which environment there is, and who makes it. */
@NullMarked
package dev.troupe.rlhf.environment;

import org.jspecify.annotations.NullMarked;
