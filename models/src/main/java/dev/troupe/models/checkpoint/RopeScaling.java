package dev.troupe.models.checkpoint;

/** How a model stretches its rotary positions beyond the length of its first pre-training. */
public sealed interface RopeScaling {
  /** The frequency to use for {@code frequency}, in radians per position. */
  double scale(double frequency);

  /** Not at all. */
  record None() implements RopeScaling {
    @Override
    public double scale(double frequency) {
      return frequency;
    }
  }

  /** Positions divided by {@code factor}. */
  record Linear(double factor) implements RopeScaling {
    @Override
    public double scale(double frequency) {
      return frequency / factor;
    }
  }

  /**
   * Llama 3.1's rule: wavelengths longer than {@code original / lowFrequencyFactor} positions are
   * stretched by {@code factor}, those shorter than {@code original / highFrequencyFactor} stay,
   * and between the two the frequency is interpolated.
   *
   * @param originalMaxPositions the context length, in tokens, before stretching
   */
  record Llama3(
      double factor,
      double lowFrequencyFactor,
      double highFrequencyFactor,
      int originalMaxPositions)
      implements RopeScaling {
    @Override
    public double scale(double frequency) {
      double turns = originalMaxPositions * frequency / (2 * Math.PI);
      if (turns < lowFrequencyFactor) {
        return frequency / factor;
      }
      if (turns > highFrequencyFactor) {
        return frequency;
      }
      double smooth = (turns - lowFrequencyFactor) / (highFrequencyFactor - lowFrequencyFactor);
      return (1 - smooth) * frequency / factor + smooth * frequency;
    }
  }
}
