/** Tests of the data's way from files to examples. */
@NullMarked
package dev.troupe.rlhf.data;

import org.jspecify.annotations.NullMarked;
