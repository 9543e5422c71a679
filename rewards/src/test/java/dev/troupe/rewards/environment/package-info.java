@NullMarked
package dev.troupe.rewards.environment;

import org.jspecify.annotations.NullMarked;
