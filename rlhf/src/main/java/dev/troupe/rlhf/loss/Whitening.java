package dev.troupe.rlhf.loss;

import dev.troupe.protocol.data.Floats;
import java.util.ArrayList;
import java.util.List;

/** Normalising advantages (or rewards) over all tokens of a batch. */
public enum Whitening {
  /** As they are: DeepSpeed-Chat. */
  NONE,
  /** To mean 0 and standard deviation 1. */
  CENTRED,
  /** To standard deviation 1 with the mean kept: the sign of every advantage stays. */
  SCALED;

  private static final double EPSILON = 1e-8;

  /**
   * The batch normalised over all its elements together.
   *
   * @param batch one vector per response
   * @param variance UNBIASED divides by sqrt(variance + 1e-8) as TRL and verl do, BIASED by
   *     sqrt(max(variance, 1e-8)) as OpenRLHF and NeMo do
   */
  public List<Floats> apply(List<Floats> batch, Masked.Variance variance) {
    if (this == NONE) {
      return List.copyOf(batch);
    }
    long count = 0;
    double sum = 0;
    for (Floats values : batch) {
      count += values.size();
      for (float value : values.values()) {
        sum += value;
      }
    }
    double mean = count == 0 ? 0 : sum / count;
    double scale = scale(batch, mean, count, variance);
    double kept = this == SCALED ? mean : 0;
    List<Floats> whitened = new ArrayList<>(batch.size());
    for (Floats values : batch) {
      float[] result = new float[values.size()];
      for (int t = 0; t < result.length; t++) {
        result[t] = (float) ((values.get(t) - mean) * scale + kept);
      }
      whitened.add(new Floats(result));
    }
    return whitened;
  }

  private static double scale(
      List<Floats> batch, double mean, long count, Masked.Variance variance) {
    if (count < 2) {
      return 1; // a single number has no spread to normalise
    }
    double squares = 0;
    for (Floats values : batch) {
      for (float value : values.values()) {
        squares += (value - mean) * (value - mean);
      }
    }
    return switch (variance) {
      case UNBIASED -> 1 / Math.sqrt(squares / (count - 1) + EPSILON);
      case BIASED -> 1 / Math.sqrt(Math.max(squares / count, EPSILON));
    };
  }
}
