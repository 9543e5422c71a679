package dev.troupe.rlhf.reward.math;

import java.math.BigDecimal;
import java.math.BigInteger;
import java.util.Optional;

/**
 * An exact fraction in lowest terms with a denominator above 0. Operations whose result would need
 * more than {@link #MOST_BITS} bits have none.
 */
record Rational(BigInteger numerator, BigInteger denominator) {
  private static final int MOST_BITS = 20_000;
  private static final int LARGEST_FACTORIAL = 1000;
  static final Rational ZERO = new Rational(BigInteger.ZERO, BigInteger.ONE);
  static final Rational ONE = new Rational(BigInteger.ONE, BigInteger.ONE);

  static Rational of(String decimal) {
    BigDecimal value = new BigDecimal(decimal);
    return reduced(value.unscaledValue(), BigInteger.TEN.pow(Math.max(0, value.scale())));
  }

  private static Rational reduced(BigInteger numerator, BigInteger denominator) {
    BigInteger divisor = numerator.gcd(denominator);
    BigInteger sign = denominator.signum() < 0 ? BigInteger.ONE.negate() : BigInteger.ONE;
    BigInteger by = divisor.multiply(sign);
    return by.signum() == 0 || by.equals(BigInteger.ONE)
        ? new Rational(numerator, denominator)
        : new Rational(numerator.divide(by), denominator.divide(by));
  }

  private static Optional<Rational> bounded(BigInteger numerator, BigInteger denominator) {
    if (denominator.signum() == 0
        || Math.max(numerator.bitLength(), denominator.bitLength()) > 2 * MOST_BITS) {
      return Optional.empty();
    }
    Rational reduced = reduced(numerator, denominator);
    return reduced.bits() > MOST_BITS ? Optional.empty() : Optional.of(reduced);
  }

  private int bits() {
    return Math.max(numerator.bitLength(), denominator.bitLength());
  }

  Optional<Rational> plus(Rational that) {
    return bounded(
        numerator.multiply(that.denominator).add(that.numerator.multiply(denominator)),
        denominator.multiply(that.denominator));
  }

  Rational negated() {
    return new Rational(numerator.negate(), denominator);
  }

  Optional<Rational> times(Rational that) {
    return bounded(numerator.multiply(that.numerator), denominator.multiply(that.denominator));
  }

  Optional<Rational> over(Rational that) {
    return bounded(numerator.multiply(that.denominator), denominator.multiply(that.numerator));
  }

  /** Whole powers alone, and no 0 to a power below 1. */
  Optional<Rational> power(Rational exponent) {
    if (!exponent.isWhole() || exponent.numerator.bitLength() > 31) {
      return Optional.empty();
    }
    int power = exponent.numerator.intValueExact();
    if ((long) Math.abs(power) * bits() > MOST_BITS || (numerator.signum() == 0 && power <= 0)) {
      return Optional.empty();
    }
    BigInteger top = numerator.pow(Math.abs(power));
    BigInteger bottom = denominator.pow(Math.abs(power));
    return power < 0 ? bounded(bottom, top) : bounded(top, bottom);
  }

  Optional<Rational> factorial() {
    if (!isWhole() || numerator.signum() < 0 || numerator.bitLength() > 31) {
      return Optional.empty();
    }
    int last = numerator.intValueExact();
    if (last > LARGEST_FACTORIAL) {
      return Optional.empty();
    }
    BigInteger product = BigInteger.ONE;
    for (int i = 2; i <= last; i++) {
      product = product.multiply(BigInteger.valueOf(i));
    }
    return Optional.of(new Rational(product, BigInteger.ONE));
  }

  boolean isWhole() {
    return denominator.equals(BigInteger.ONE);
  }

  double toDouble() {
    int shift = Math.max(0, bits() - 900); // keeps both within a double's range
    return numerator.shiftRight(shift).doubleValue() / denominator.shiftRight(shift).doubleValue();
  }
}
