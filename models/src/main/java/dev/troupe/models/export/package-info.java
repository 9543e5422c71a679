/**
 * Writing a model for other programs: an adapter merged into its base, as a checkpoint of its own.
 */
@NullMarked
package dev.troupe.models.export;

import org.jspecify.annotations.NullMarked;
