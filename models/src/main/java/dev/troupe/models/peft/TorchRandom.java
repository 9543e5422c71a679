package dev.troupe.models.peft;

/**
 * The numbers that torch's generator on the CPU gives for a seed: the Mersenne Twister of 32 bits
 * (Matsumoto and Nishimura 1998).
 */
final class TorchRandom {
  private static final int SIZE = 624;
  private static final int SHIFT = 397;
  private static final int DIGITS = 24;

  private final int[] state = new int[SIZE];
  private int next = SIZE;

  TorchRandom(long seed) {
    state[0] = (int) seed;
    for (int i = 1; i < SIZE; i++) {
      int last = state[i - 1];
      state[i] = 1812433253 * (last ^ (last >>> 30)) + i;
    }
  }

  private int number() {
    if (next == SIZE) {
      for (int i = 0; i < SIZE; i++) {
        int mixed = (state[i] & 0x80000000) | (state[(i + 1) % SIZE] & 0x7fffffff);
        int twist = (mixed & 1) == 0 ? 0 : 0x9908b0df;
        state[i] = state[(i + SHIFT) % SIZE] ^ (mixed >>> 1) ^ twist;
      }
      next = 0;
    }
    int y = state[next];
    next++;
    y ^= y >>> 11;
    y ^= (y << 7) & 0x9d2c5680;
    y ^= (y << 15) & 0xefc60000;
    return y ^ (y >>> 18);
  }

  /** As {@code tensor.uniform_(-bound, bound)} of float32. */
  float[] uniform(int count, double bound) {
    float[] out = new float[count];
    float low = (float) -bound;
    float range = (float) bound - low;
    for (int i = 0; i < count; i++) {
      float share = (number() & ((1 << DIGITS) - 1)) * (1f / (1 << DIGITS));
      out[i] = share * range + low;
    }
    return out;
  }
}
