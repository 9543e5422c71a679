package dev.troupe.rlhf.reward.math;

/** A complex number, on the principal branch of every function. */
record Complex(double re, double im) {
  static final Complex ZERO = new Complex(0, 0);
  static final Complex ONE = new Complex(1, 0);
  static final Complex I = new Complex(0, 1);

  static Complex of(double re) {
    return new Complex(re, 0);
  }

  Complex plus(Complex that) {
    return new Complex(re + that.re, im + that.im);
  }

  Complex minus(Complex that) {
    return new Complex(re - that.re, im - that.im);
  }

  Complex times(Complex that) {
    return im == 0 && that.im == 0
        ? of(re * that.re)
        : new Complex(re * that.re - im * that.im, re * that.im + im * that.re);
  }

  Complex over(Complex that) {
    if (that.im == 0) {
      return im == 0 ? of(re / that.re) : new Complex(re / that.re, im / that.re);
    }
    double square = that.re * that.re + that.im * that.im;
    Complex top = times(new Complex(that.re, -that.im));
    return new Complex(top.re / square, top.im / square);
  }

  double abs() {
    return Math.hypot(re, im);
  }

  Complex exp() {
    double size = Math.exp(re);
    return im == 0 ? of(size) : new Complex(size * Math.cos(im), size * Math.sin(im));
  }

  Complex log() {
    return new Complex(Math.log(abs()), Math.atan2(im, re));
  }

  Complex power(Complex exponent) {
    if (im == 0 && exponent.im == 0) {
      double real = Math.pow(re, exponent.re);
      if (!Double.isNaN(real)) {
        return of(real);
      }
    }
    return exponent.times(log()).exp();
  }

  Complex sin() {
    return new Complex(Math.sin(re) * Math.cosh(im), Math.cos(re) * Math.sinh(im));
  }

  Complex cos() {
    return new Complex(Math.cos(re) * Math.cosh(im), -Math.sin(re) * Math.sinh(im));
  }

  boolean isFinite() {
    return Double.isFinite(re) && Double.isFinite(im);
  }

  /** Both finite, and within an absolute distance, or a relative one of the larger. */
  boolean near(Complex that, double absolute, double relative) {
    double distance = minus(that).abs();
    return isFinite()
        && that.isFinite()
        && distance <= Math.max(absolute, relative * Math.max(abs(), that.abs()));
  }
}
