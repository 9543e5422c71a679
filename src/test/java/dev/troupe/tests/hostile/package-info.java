/** Files from strangers: readers read them or say one clear thing. */
@NullMarked
package dev.troupe.tests.hostile;

import org.jspecify.annotations.NullMarked;
