package dev.troupe.engine.generation;

import dev.troupe.models.torch.Handle;

/**
 * The native weights of one version.
 *
 * @param frame what is used as it is: embedding, norms, rotary table
 * @param packed the matrices, merged and packed
 */
record Shadow(Handle frame, Handle packed) implements AutoCloseable {
  @Override
  public void close() {
    frame.close();
    packed.close();
  }
}
