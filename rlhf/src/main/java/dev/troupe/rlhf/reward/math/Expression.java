package dev.troupe.rlhf.reward.math;

import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeSet;
import java.util.function.BinaryOperator;

/** An arithmetic expression. */
sealed interface Expression {
  /**
   * A number as written.
   *
   * @param decimal whether it has a decimal point, and so stands for what rounds to it
   */
  record Literal(Rational value, boolean decimal) implements Expression {}

  /** π, e or i, or infinity. */
  record Constant(Complex value) implements Expression {}

  record Variable(String name) implements Expression {}

  record Apply(Operation operation, List<Expression> arguments) implements Expression {}

  /** What is done to the arguments. */
  enum Operation {
    ADD,
    SUBTRACT,
    MULTIPLY,
    DIVIDE,
    POWER,
    NEGATE,
    FACTORIAL,
    ABSOLUTE,
    PERCENT,
    EXP,
    LOG,
    SIN,
    COS,
    TAN,
    ARCTAN,
    ARCSIN,
    ARCCOS
  }

  static Expression of(Operation operation, Expression... arguments) {
    return new Apply(operation, List.of(arguments));
  }

  /** The names of the variables in it. */
  default Set<String> variables() {
    Set<String> names = new TreeSet<>();
    if (this instanceof Variable variable) {
      names.add(variable.name());
    } else if (this instanceof Apply apply) {
      apply.arguments().forEach(argument -> names.addAll(argument.variables()));
    }
    return names;
  }

  /** Whether a number in it is written with a decimal point. */
  default boolean hasDecimals() {
    if (this instanceof Apply apply) {
      return apply.arguments().stream().anyMatch(Expression::hasDecimals);
    }
    return this instanceof Literal number && number.decimal();
  }

  /** Whether infinity is written in it. */
  default boolean hasInfinity() {
    if (this instanceof Apply apply) {
      return apply.arguments().stream().anyMatch(Expression::hasInfinity);
    }
    return this instanceof Constant constant && !constant.value().isFinite();
  }

  /** The exact value, where it is rational and of a bearable size. */
  default Optional<Rational> exact() {
    if (this instanceof Literal number) {
      return Optional.of(number.value());
    }
    if (!(this instanceof Apply apply)) {
      return Optional.empty();
    }
    Optional<Rational> first = apply.arguments().get(0).exact();
    if (first.isEmpty()) {
      return first;
    }
    Rational a = first.get();
    return switch (apply.operation()) {
      case NEGATE -> Optional.of(a.negated());
      case FACTORIAL -> a.factorial();
      case PERCENT -> a.over(Rational.of("100"));
      case ABSOLUTE -> Optional.of(a.numerator().signum() < 0 ? a.negated() : a);
      case ADD -> apply.arguments().get(1).exact().flatMap(a::plus);
      case SUBTRACT -> apply.arguments().get(1).exact().flatMap(b -> a.plus(b.negated()));
      case MULTIPLY -> apply.arguments().get(1).exact().flatMap(a::times);
      case DIVIDE -> apply.arguments().get(1).exact().flatMap(a::over);
      case POWER -> apply.arguments().get(1).exact().flatMap(a::power);
      default -> Optional.empty();
    };
  }

  /** The value at a point; not finite where there is none. */
  default Complex at(Map<String, Complex> point) {
    if (this instanceof Literal number) {
      return Complex.of(number.value().toDouble());
    }
    if (this instanceof Constant constant) {
      return constant.value();
    }
    if (this instanceof Variable variable) {
      return point.getOrDefault(variable.name(), Complex.of(Double.NaN));
    }
    Apply apply = (Apply) this;
    Complex a = apply.arguments().get(0).at(point);
    BinaryOperator<Complex> with =
        switch (apply.operation()) {
          case ADD -> Complex::plus;
          case SUBTRACT -> Complex::minus;
          case MULTIPLY -> Complex::times;
          case DIVIDE -> Complex::over;
          case POWER -> Complex::power;
          default -> (x, y) -> unary(apply.operation(), x);
        };
    Complex b = apply.arguments().size() > 1 ? apply.arguments().get(1).at(point) : Complex.ZERO;
    return with.apply(a, b);
  }

  private static Complex unary(Operation operation, Complex x) {
    return switch (operation) {
      case NEGATE -> Complex.ZERO.minus(x);
      case FACTORIAL -> factorial(x);
      case ABSOLUTE -> Complex.of(x.abs());
      case PERCENT -> x.over(Complex.of(100));
      case EXP -> x.exp();
      case LOG -> x.log();
      case SIN -> x.sin();
      case COS -> x.cos();
      case TAN -> x.sin().over(x.cos());
      case ARCTAN -> real(x, Math.atan(x.re()));
      case ARCSIN -> real(x, Math.asin(x.re()));
      case ARCCOS -> real(x, Math.acos(x.re()));
      default -> throw new IllegalStateException(operation + " takes two arguments");
    };
  }

  private static Complex real(Complex argument, double value) {
    return Complex.of(argument.im() == 0 ? value : Double.NaN);
  }

  private static Complex factorial(Complex x) {
    if (x.im() != 0 || x.re() < 0 || x.re() > 170 || x.re() != Math.rint(x.re())) {
      return Complex.of(Double.NaN);
    }
    double product = 1;
    for (int i = 2; i <= x.re(); i++) {
      product *= i;
    }
    return Complex.of(product);
  }
}
