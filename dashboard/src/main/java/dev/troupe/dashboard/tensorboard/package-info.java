/** TensorBoard event files as a projection of a run's events. Scalars only. */
@NullMarked
package dev.troupe.dashboard.tensorboard;

import org.jspecify.annotations.NullMarked;
