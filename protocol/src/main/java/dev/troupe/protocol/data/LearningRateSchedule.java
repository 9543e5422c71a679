package dev.troupe.protocol.data;

/**
 * Learning rate by step.
 *
 * @param peak after warm-up
 * @param warmupSteps of linear rise from 0 (the first step has peak / warmupSteps)
 * @param totalSteps at which a decay ends
 */
public record LearningRateSchedule(Shape shape, double peak, int warmupSteps, int totalSteps) {
  /** After warm-up. */
  public enum Shape {
    CONSTANT,
    LINEAR,
    COSINE
  }

  /** The rate of a step, the first being 0. */
  public double at(long step) {
    if (step < warmupSteps) {
      return peak * (step + 1) / warmupSteps;
    }
    double progress =
        totalSteps <= warmupSteps
            ? 1
            : Math.min(1, (double) (step - warmupSteps) / (totalSteps - warmupSteps));
    return switch (shape) {
      case CONSTANT -> peak;
      case LINEAR -> peak * (1 - progress);
      case COSINE -> peak * 0.5 * (1 + Math.cos(Math.PI * progress));
    };
  }
}
