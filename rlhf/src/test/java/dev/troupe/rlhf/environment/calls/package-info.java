@NullMarked
package dev.troupe.rlhf.environment.calls;

import org.jspecify.annotations.NullMarked;
