package dev.troupe.models.quantisation;

/**
 * How far numbers that come out are from those that went in.
 *
 * @param relative the length of the difference, as a part of the length of the numbers; 0 where
 *     both are 0
 * @param largest difference of one number
 */
public record QuantisationError(double relative, double largest) {
  /** Of two arrays of the same length. */
  public static QuantisationError of(float[] numbers, float[] comeOut) {
    double difference = 0;
    double all = 0;
    double largest = 0;
    for (int i = 0; i < numbers.length; i++) {
      double apart = Math.abs(numbers[i] - (double) comeOut[i]);
      difference += apart * apart;
      all += (double) numbers[i] * numbers[i];
      largest = Math.max(largest, apart);
    }
    return new QuantisationError(
        difference == 0 ? 0 : all == 0 ? Double.POSITIVE_INFINITY : Math.sqrt(difference / all),
        largest);
  }
}
