package dev.troupe.models.checkpoint;

import java.util.List;

/** How a model stretches its rotary positions beyond the length of its first pre-training. */
public sealed interface RopeScaling {
  /**
   * The frequency to use.
   *
   * @param frequency of pair {@code pair}, in radians per position, unscaled
   * @param theta base of the frequencies
   * @param pairs that turn in a head
   */
  double scale(double frequency, int pair, double theta, int pairs);

  /** What cosine and sine are multiplied by. */
  default double amplitude() {
    return 1;
  }

  /**
   * Tokens of the longest text whose positions turn so; in a longer one every position turns by
   * {@link #scaleBeyond}.
   */
  default int original() {
    return Integer.MAX_VALUE;
  }

  /** As {@link #scale}, of texts longer than {@link #original}. */
  default double scaleBeyond(double frequency, int pair, double theta, int pairs) {
    return scale(frequency, pair, theta, pairs);
  }

  /**
   * Not at all. So is dynamic NTK within {@code max_position_embeddings}: it stretches only texts
   * that are longer, each length in its own way, so that what lies in a cache would be wrong.
   */
  record None() implements RopeScaling {
    @Override
    public double scale(double frequency, int pair, double theta, int pairs) {
      return frequency;
    }
  }

  /** Positions divided by {@code factor}. */
  record Linear(double factor) implements RopeScaling {
    @Override
    public double scale(double frequency, int pair, double theta, int pairs) {
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
    public double scale(double frequency, int pair, double theta, int pairs) {
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

  /**
   * YaRN (Peng et al., arXiv:2309.00071): pairs that turn more than {@code fast} times in the
   * original context stay, those that turn less than {@code slow} times are stretched by {@code
   * factor}, and between the two, by the pair's number, the frequency is interpolated.
   *
   * @param truncate whether the two borders are rounded outwards to whole pairs
   */
  record Yarn(
      double factor,
      double fast,
      double slow,
      int originalMaxPositions,
      boolean truncate,
      double amplitude)
      implements RopeScaling {
    @Override
    public double scale(double frequency, int pair, double theta, int pairs) {
      double low = border(fast, theta, pairs);
      double high = border(slow, theta, pairs);
      if (truncate) {
        low = Math.floor(low);
        high = Math.ceil(high);
      }
      low = Math.max(low, 0);
      // As transformers has it: the bound is the number of dimensions, not of pairs.
      high = Math.min(high, 2 * pairs - 1);
      // Two borders in one place would divide by zero; the reference moves one by this much.
      high = low == high ? high + 0.001 : high;
      double stretched = Math.min(1, Math.max(0, (pair - low) / (high - low)));
      return stretched * frequency / factor + (1 - stretched) * frequency;
    }

    /** The pair that turns {@code turns} times in the original context. */
    private double border(double turns, double theta, int pairs) {
      return pairs * Math.log(originalMaxPositions / (turns * 2 * Math.PI)) / Math.log(theta);
    }
  }

  /**
   * LongRoPE (Ding et al., arXiv:2402.13753): each frequency is divided by its short factor, and in
   * texts longer than the original context by its long one.
   *
   * @param shortFactors one for each pair that turns
   * @param longFactors likewise
   * @param original tokens of the longest text that takes the short factors
   */
  record LongRope(
      List<Double> shortFactors, List<Double> longFactors, int original, double amplitude)
      implements RopeScaling {
    public LongRope {
      shortFactors = List.copyOf(shortFactors);
      longFactors = List.copyOf(longFactors);
    }

    @Override
    public double scale(double frequency, int pair, double theta, int pairs) {
      return frequency / shortFactors.get(pair);
    }

    @Override
    public double scaleBeyond(double frequency, int pair, double theta, int pairs) {
      return frequency / longFactors.get(pair);
    }
  }
}
