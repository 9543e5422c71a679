@NullMarked
package dev.troupe.rewards;

import org.jspecify.annotations.NullMarked;
