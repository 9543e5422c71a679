@NullMarked
package dev.troupe.rlhf.evaluation;

import org.jspecify.annotations.NullMarked;
