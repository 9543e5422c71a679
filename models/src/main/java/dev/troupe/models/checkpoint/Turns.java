package dev.troupe.models.checkpoint;

/**
 * How the numbers of a head turn with their position.
 *
 * @param headDim numbers of a head
 * @param dims of them that turn
 * @param theta base of the frequencies
 */
public record Turns(int headDim, int dims, double theta, RopeScaling scaling) {
  /**
   * In radians per position, fastest first, {@code headDim / 2} of them, 0 for the pairs that do
   * not turn.
   *
   * @param beyond of texts longer than the original context
   */
  public double[] frequencies(boolean beyond) {
    double[] frequencies = new double[headDim / 2];
    for (int i = 0; i < dims / 2; i++) {
      double plain = Math.pow(theta, -2.0 * i / dims);
      frequencies[i] =
          beyond
              ? scaling.scaleBeyond(plain, i, theta, dims / 2)
              : scaling.scale(plain, i, theta, dims / 2);
    }
    return frequencies;
  }

  /**
   * Tokens beyond which the frequencies are others.
   *
   * @param context longest text, in tokens
   * @return 0 where they never are
   */
  public int original(int context) {
    return scaling.original() < context ? scaling.original() : 0;
  }
}
