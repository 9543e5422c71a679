/**
 * One role's model, used two ways: sampling and training, and the proven flip between them. Knows
 * no actors and no algorithm.
 */
@NullMarked
package dev.troupe.engine;

import org.jspecify.annotations.NullMarked;
