package dev.troupe.rlhf.loss;

import dev.troupe.protocol.data.Floats;
import dev.troupe.protocol.data.Sequence;
import dev.troupe.protocol.data.TokenIds;
import dev.troupe.protocol.data.TokenOutputs;
import java.util.Arrays;
import java.util.List;
import java.util.SplittableRandom;

/** Inputs for tests. */
final class Samples {
  /** Numbers are multiples of this, so that adding a step of a finite difference is exact. */
  private static final double GRID = 1.0 / 4096;

  private Samples() {}

  static float onGrid(double value) {
    return (float) (Math.rint(value / GRID) * GRID);
  }

  static Floats normal(SplittableRandom random, int size, double deviation) {
    float[] values = new float[size];
    for (int i = 0; i < size; i++) {
      values[i] = onGrid(random.nextGaussian() * deviation);
    }
    return new Floats(values);
  }

  /** Log-probabilities in [-4, 0). */
  static Floats logprobs(SplittableRandom random, int size) {
    float[] values = new float[size];
    for (int i = 0; i < size; i++) {
      values[i] = onGrid(-4 * random.nextDouble());
    }
    return new Floats(values);
  }

  /** A sequence with this many reads. */
  static Sequence sequence(int reads) {
    return Sequence.ofTargets(new TokenIds(new int[reads + 2]), 2);
  }

  static TokenOutputs logprobs(float... logprobs) {
    return new TokenOutputs(new Floats(logprobs), Floats.EMPTY, Floats.EMPTY);
  }

  static TokenOutputs values(float... values) {
    return new TokenOutputs(Floats.EMPTY, Floats.EMPTY, new Floats(values));
  }

  static Floats joined(List<Floats> parts) {
    float[] all = new float[parts.stream().mapToInt(Floats::size).sum()];
    int position = 0;
    for (Floats part : parts) {
      System.arraycopy(part.values(), 0, all, position, part.size());
      position += part.size();
    }
    return new Floats(all);
  }

  static boolean[] allTrue(int size) {
    boolean[] mask = new boolean[size];
    Arrays.fill(mask, true);
    return mask;
  }
}
