/**
 * Torch through DJL: kernels written as TorchScript text, handles with an owner, and the lanes they
 * run on. Nothing here knows what a language model is.
 */
@NullMarked
package dev.troupe.models.torch;

import org.jspecify.annotations.NullMarked;
