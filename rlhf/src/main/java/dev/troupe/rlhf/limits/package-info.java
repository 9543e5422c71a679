/** What a configuration's values may be; every problem of a record is told, not the first. */
@NullMarked
package dev.troupe.rlhf.limits;

import org.jspecify.annotations.NullMarked;
