package dev.troupe.rlhf.data;

/**
 * numpy's legacy random numbers: the Mersenne Twister MT19937 (Matsumoto and Nishimura 1998) seeded
 * with one 32-bit number, and the bounded integers that {@code RandomState.shuffle} draws.
 */
final class NumpyRandom {
  private static final int SIZE = 624;
  private static final int SHIFT = 397;

  private final int[] state = new int[SIZE];
  private int position = SIZE;

  NumpyRandom(long seed) {
    if (seed < 0 || seed > 0xffffffffL) {
      throw new DataException(
          "seed is "
              + seed
              + "; stage-split draws as numpy does, which takes seeds of 0 to 4294967295");
    }
    state[0] = (int) seed;
    for (int i = 1; i < SIZE; i++) {
      state[i] = 1812433253 * (state[i - 1] ^ (state[i - 1] >>> 30)) + i;
    }
  }

  /** The next 32 bits. */
  int bits() {
    if (position == SIZE) {
      refill();
    }
    int y = state[position++];
    y ^= y >>> 11;
    y ^= (y << 7) & 0x9d2c5680;
    y ^= (y << 15) & 0xefc60000;
    return y ^ (y >>> 18);
  }

  /** Uniform in [0, max], by rejection under the smallest mask of ones that covers max. */
  int interval(int max) {
    if (max == 0) {
      return 0;
    }
    int mask = -1 >>> Integer.numberOfLeadingZeros(max);
    int value = bits() & mask;
    while (value > max) {
      value = bits() & mask;
    }
    return value;
  }

  private void refill() {
    for (int i = 0; i < SIZE; i++) {
      int joined = (state[i] & 0x80000000) | (state[(i + 1) % SIZE] & 0x7fffffff);
      int twist = (joined & 1) == 0 ? 0 : 0x9908b0df;
      state[i] = state[(i + SHIFT) % SIZE] ^ (joined >>> 1) ^ twist;
    }
    position = 0;
  }
}
