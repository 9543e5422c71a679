@NullMarked
package dev.troupe.rlhf.reward;

import org.jspecify.annotations.NullMarked;
