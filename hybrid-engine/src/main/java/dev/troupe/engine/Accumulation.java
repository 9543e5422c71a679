package dev.troupe.engine;

import dev.troupe.models.torch.Handle;
import dev.troupe.models.torch.KernelModule;
import dev.troupe.models.torch.Lanes;
import org.jspecify.annotations.Nullable;

/** The gradient of the step to come, as far as it has been accumulated. */
final class Accumulation implements AutoCloseable {
  private final KernelModule kernels;
  private final Lanes lanes;
  private @Nullable Handle gradient;
  private double loss;
  private int microBatches;
  private String failure = "";

  Accumulation(KernelModule kernels, Lanes lanes) {
    this.kernels = kernels;
    this.lanes = lanes;
  }

  /** Adds what it owns from then on. */
  void add(Handle more, double part, int batches) {
    Handle sum = gradient;
    if (sum == null) {
      gradient = more;
    } else {
      try (more) {
        lanes.run(() -> kernels.train("add", sum, more)).close();
      }
    }
    loss += part;
    microBatches += batches;
    failure = "";
  }

  boolean isEmpty() {
    return gradient == null;
  }

  /**
   * What there is to step along.
   *
   * @throws IllegalStateException when nothing was accumulated
   */
  Handle gradient() {
    if (gradient == null) {
      throw new IllegalStateException(
          "a step was asked for and no gradient has been accumulated since the last one"
              + (failure.isEmpty() ? "" : ": " + failure));
    }
    return gradient;
  }

  double loss() {
    return loss;
  }

  /** Micro-batches that the gradient is the sum of. */
  int microBatches() {
    return microBatches;
  }

  /** Gives up what there is, since a part of it could not be had. */
  void fail(Throwable why) {
    close();
    failure = "accumulating failed: " + why.getMessage();
  }

  /** Native bytes. */
  long bytes() {
    return gradient == null ? 0 : Float.BYTES * gradient.shape()[0];
  }

  /** Nothing is accumulated from then on. */
  @Override
  public void close() {
    if (gradient != null) {
      gradient.close();
      gradient = null;
    }
    loss = 0;
    microBatches = 0;
    failure = "";
  }
}
