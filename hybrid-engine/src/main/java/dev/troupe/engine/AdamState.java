package dev.troupe.engine;

import dev.troupe.models.torch.Handle;
import dev.troupe.models.torch.KernelModule;
import dev.troupe.models.torch.Lanes;
import dev.troupe.protocol.data.OptimizerSettings;
import dev.troupe.protocol.data.StepResult;
import dev.troupe.protocol.data.StepSettings;
import java.util.List;
import java.util.Optional;

/**
 * AdamW (Loshchilov and Hutter 2019) over one flat buffer, with clipping, schedule and moving
 * average. The buffer may be a part of a larger one.
 */
final class AdamState implements AutoCloseable {
  private final KernelModule kernels;
  private final Lanes lanes;
  private final OptimizerSettings settings;
  private final Handle parameters;
  private final Handle first;
  private final Handle second;
  private final Handle count;
  private final Optional<Handle> average;
  private final double emaDecay;

  /** Parts of the buffer with rates of their own; empty where all have one. */
  private final List<RateGroup.Open> groups;

  /** Steps asked for, skipped ones included: what the schedule counts. */
  private long steps;

  AdamState(
      KernelModule kernels,
      Lanes lanes,
      Handle parameters,
      OptimizerSettings settings,
      Optional<Double> emaDecay) {
    this(kernels, lanes, parameters, settings, emaDecay, List.of());
  }

  /**
   * @param apart where the rate is another
   */
  AdamState(
      KernelModule kernels,
      Lanes lanes,
      Handle parameters,
      OptimizerSettings settings,
      Optional<Double> emaDecay,
      List<RateGroup> apart) {
    this.kernels = kernels;
    this.lanes = lanes;
    this.parameters = parameters;
    this.settings = settings;
    this.emaDecay = emaDecay.orElse(0.0);
    first = lanes.run(() -> kernels.train("zeros", parameters));
    second = lanes.run(() -> kernels.train("zeros", parameters));
    try (Handle zero = Handle.of(new float[1])) {
      count = lanes.run(() -> kernels.train("plain", zero));
    }
    average = emaDecay.map(decay -> lanes.run(() -> kernels.train("plain", parameters)));
    groups =
        apart.isEmpty()
            ? List.of()
            : lanes.run(
                () ->
                    RateGroup.of(apart, parameters.shape()[0]).stream()
                        .map(group -> group.open(kernels, parameters, first, second, count))
                        .toList());
  }

  OptimizerSettings settings() {
    return settings;
  }

  long steps() {
    return steps;
  }

  Optional<float[]> average() {
    return average.map(Handle::floats);
  }

  /**
   * Clips and steps. A gradient or a loss that is not finite leaves everything as it was.
   *
   * @param asked of this step
   */
  StepResult step(Handle gradient, double loss, StepSettings asked) {
    double norm =
        lanes.run(
            () -> {
              try (Handle result = kernels.train("norm", gradient)) {
                return result.asDouble();
              }
            });
    return step(gradient, norm, loss, asked);
  }

  /** Norms of a gradient's chunks, which {@link #norm} makes one of. */
  float[] norms(Handle gradient) {
    if (gradient.shape()[0] == 0) {
      return new float[0];
    }
    try (Handle norms = lanes.run(() -> kernels.train("norms", gradient))) {
      return norms.floats();
    }
  }

  /** The norm of all chunks, given theirs in order. */
  static double norm(float[] norms) {
    double squares = 0;
    for (float norm : norms) {
      squares += (double) norm * norm;
    }
    return Math.sqrt(squares);
  }

  /**
   * As above, of a part of the buffer.
   *
   * @param norm of the whole gradient
   */
  StepResult step(Handle gradient, double norm, double loss, StepSettings asked) {
    return lanes.run(
        () -> {
          steps++;
          boolean finite = Double.isFinite(norm) && Double.isFinite(loss);
          if (finite) {
            apply(gradient, norm, asked);
          }
          return new StepResult(norm, asked.learningRate(), finite, 0);
        });
  }

  private void apply(Handle gradient, double norm, StepSettings asked) {
    if (groups.isEmpty() && gradient.shape()[0] > 0) {
      applyWhole(gradient, norm, asked);
    } else {
      try (Handle normHandle = Handle.of(norm);
          Handle clip = Handle.of(asked.maxGradientNorm())) {
        kernels.train("begin", gradient, count, normHandle, clip).close();
      }
      groups.forEach(group -> group.step(kernels, gradient, asked));
    }
    if (average.isPresent()) {
      try (Handle decay = Handle.of(emaDecay)) {
        kernels.train("ema", average.get(), parameters, decay).close();
      }
    }
  }

  private void applyWhole(Handle gradient, double norm, StepSettings asked) {
    try (Handle p = Handle.ofTensors(List.of(parameters));
        Handle g = Handle.ofTensors(List.of(gradient));
        Handle m = Handle.ofTensors(List.of(first));
        Handle v = Handle.ofTensors(List.of(second));
        Handle s = Handle.ofTensors(List.of(count));
        Handle normHandle = Handle.of(norm);
        Handle clip = Handle.of(asked.maxGradientNorm());
        Handle lr = Handle.of(asked.learningRate());
        Handle beta1 = Handle.of(asked.beta1());
        Handle beta2 = Handle.of(asked.beta2());
        Handle epsilon = Handle.of(asked.epsilon());
        Handle decay = Handle.of(asked.weightDecay())) {
      kernels
          .train("adamw", p, g, m, v, s, normHandle, clip, lr, beta1, beta2, epsilon, decay)
          .close();
    }
  }

  /** Everything that a checkpoint keeps beside the parameters. */
  record Saved(float[] first, float[] second, float count, Optional<float[]> average, long steps) {}

  Saved saved() {
    return new Saved(
        first.floats(), second.floats(), count.floats()[0], average.map(Handle::floats), steps);
  }

  void restore(Saved saved) {
    first.write(saved.first());
    second.write(saved.second());
    count.write(new float[] {saved.count()});
    average.ifPresent(
        handle ->
            handle.write(
                saved
                    .average()
                    .orElseThrow(
                        () -> new EngineException("the saved state has no moving average"))));
    steps = saved.steps();
  }

  /** Native bytes of the moments and the moving average. */
  long bytes() {
    return (average.isPresent() ? 3L : 2L) * Float.BYTES * first.shape()[0];
  }

  @Override
  public void close() {
    groups.forEach(RateGroup.Open::close);
    first.close();
    second.close();
    count.close();
    average.ifPresent(Handle::close);
  }
}
