/** Tests of the arithmetic. */
@NullMarked
package dev.troupe.rlhf.loss;

import org.jspecify.annotations.NullMarked;
