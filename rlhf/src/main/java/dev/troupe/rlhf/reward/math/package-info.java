/**
 * Reading and comparing mathematical answers: the part of LaTeX in which answers are written, exact
 * rational arithmetic, and equality of expressions by their values at a few points. Every step is
 * bounded: by {@link dev.troupe.rlhf.reward.math.LatexReader#LONGEST} characters, by depth, and by
 * the size of exact numbers.
 */
@NullMarked
package dev.troupe.rlhf.reward.math;

import org.jspecify.annotations.NullMarked;
