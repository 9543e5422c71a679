package dev.troupe.rlhf.reward.math;

import dev.troupe.rlhf.reward.math.Expression.Operation;
import dev.troupe.rlhf.reward.math.LatexReader.Unreadable;
import dev.troupe.rlhf.reward.math.LatexTokens.Kind;
import dev.troupe.rlhf.reward.math.LatexTokens.Token;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/**
 * Reads one expression by recursive descent: sums of products of powers. Letters side by side
 * multiply; text after a quantity is its unit and is dropped, and so are degrees.
 */
final class ExpressionReader {
  private static final int DEEPEST = 60;
  private static final Map<String, Operation> FUNCTIONS =
      Map.ofEntries(
          Map.entry("sin", Operation.SIN),
          Map.entry("cos", Operation.COS),
          Map.entry("tan", Operation.TAN),
          Map.entry("arcsin", Operation.ARCSIN),
          Map.entry("arccos", Operation.ARCCOS),
          Map.entry("arctan", Operation.ARCTAN),
          Map.entry("ln", Operation.LOG),
          Map.entry("exp", Operation.EXP));
  private static final Map<String, Complex> CONSTANTS =
      Map.of(
          "pi", Complex.of(Math.PI),
          "e", Complex.of(Math.E),
          "i", Complex.I,
          "infty", Complex.of(Double.POSITIVE_INFINITY));
  private static final Expression TWO = new Expression.Literal(Rational.of("2"), false);
  private static final Expression TEN = new Expression.Literal(Rational.of("10"), false);

  private final List<Token> tokens;
  private final int plusMinus;
  private int position;
  private int depth;

  ExpressionReader(List<Token> tokens, int plusMinus, int depth) {
    this.tokens = new ArrayList<>(tokens);
    this.plusMinus = plusMinus;
    this.depth = depth;
  }

  Expression whole() {
    Expression expression = sum();
    if (position < tokens.size()) {
      throw new Unreadable();
    }
    return expression;
  }

  private Optional<Token> peek() {
    return position < tokens.size() ? Optional.of(tokens.get(position)) : Optional.empty();
  }

  private boolean skip(String sign) {
    boolean there = peek().filter(token -> token.is(sign)).isPresent();
    position += there ? 1 : 0;
    return there;
  }

  private boolean skipCommand(String name) {
    boolean there = peek().filter(token -> token.isCommand(name)).isPresent();
    position += there ? 1 : 0;
    return there;
  }

  private void enter() {
    if (++depth > DEEPEST) {
      throw new Unreadable();
    }
  }

  private Expression sum() {
    enter();
    Expression total = null;
    while (true) {
      int sign = sign();
      if (total != null && sign == 0) {
        break;
      }
      Expression term = product();
      if (total == null) {
        total = sign < 0 ? Expression.of(Operation.NEGATE, term) : term;
      } else {
        total = Expression.of(sign < 0 ? Operation.SUBTRACT : Operation.ADD, total, term);
      }
    }
    depth--;
    return total;
  }

  /** 1, −1, or 0 where there is no sign. */
  private int sign() {
    if (skip("+")) {
      return 1;
    }
    if (skip("-")) {
      return -1;
    }
    if (skipCommand("pm")) {
      return plusMinus;
    }
    return skipCommand("mp") ? -plusMinus : 0;
  }

  private Expression product() {
    Expression product = signed();
    while (true) {
      if (skip("*") || skipCommand("times") || skipCommand("cdot")) {
        product = Expression.of(Operation.MULTIPLY, product, signed());
      } else if (skip("/") || skipCommand("div")) {
        product = Expression.of(Operation.DIVIDE, product, signed());
      } else if (peek().isPresent() && beginsFactor(peek().get())) {
        product = beside(product);
      } else if (peek().filter(token -> token.kind() == Kind.TEXT).isPresent()) {
        unit();
      } else {
        return product;
      }
    }
  }

  /** What stands beside a factor multiplies it; a fraction beside a whole number is added to it. */
  private Expression beside(Expression before) {
    boolean number = before instanceof Expression.Literal;
    if (number && peek().orElseThrow().kind() == Kind.NUMBER) {
      throw new Unreadable(); // 2 3 is not 6
    }
    boolean mixed = number && peek().orElseThrow().isCommand("frac");
    Expression factor = power();
    boolean plain =
        factor instanceof Expression.Apply apply
            && apply.arguments().stream().allMatch(Expression.Literal.class::isInstance);
    return Expression.of(mixed && plain ? Operation.ADD : Operation.MULTIPLY, before, factor);
  }

  private static boolean beginsFactor(Token token) {
    return switch (token.kind()) {
      case NUMBER, LETTER -> true;
      case COMMAND ->
          !token.text().matches("times|cdot|div|pm|mp|\\}|\\\\|end|%|rfloor|rceil|rvert|mid");
      case SIGN -> token.is("(") || token.is("{") || token.is("[");
      case TEXT -> false;
    };
  }

  private void unit() {
    position++;
    if (skip("^")) {
      argument(); // the square of cm²
    }
  }

  private Expression signed() {
    enter();
    int sign = sign();
    Expression factor = sign == 0 ? power() : signed();
    depth--;
    return sign < 0 ? Expression.of(Operation.NEGATE, factor) : factor;
  }

  private Expression power() {
    Expression base = atom();
    while (true) {
      if (skip("^")) {
        if (degrees()) {
          continue;
        }
        base = Expression.of(Operation.POWER, base, argument());
      } else if (skip("!")) {
        base = Expression.of(Operation.FACTORIAL, base);
      } else if (skip("%") || skipCommand("%")) {
        base = Expression.of(Operation.PERCENT, base);
      } else {
        return base;
      }
    }
  }

  private boolean degrees() {
    int before = position;
    boolean group = skip("{");
    if (skipCommand("circ") && (!group || skip("}"))) {
      return true;
    }
    position = before;
    return false;
  }

  /** One token or a group: what follows ^ and _. */
  private Expression argument() {
    if (peek().filter(token -> token.is("{")).isPresent()) {
      return group("{", "}");
    }
    enter();
    Expression argument = skip("-") ? Expression.of(Operation.NEGATE, argument()) : atom();
    depth--;
    return argument;
  }

  /** The same after \frac and \sqrt, where of a bare number the first digit alone counts. */
  private Expression digitOrGroup() {
    String digits = peek().filter(token -> token.kind() == Kind.NUMBER).map(Token::text).orElse("");
    if (digits.length() < 2 || digits.indexOf('.') >= 0) {
      return argument();
    }
    tokens.set(position, new Token(Kind.NUMBER, digits.substring(1)));
    return number(digits.substring(0, 1));
  }

  private Expression group(String open, String close) {
    if (!skip(open)) {
      throw new Unreadable();
    }
    Expression inner = sum();
    if (!skip(close)) {
      throw new Unreadable();
    }
    return inner;
  }

  private Expression atom() {
    Token token = peek().orElseThrow(Unreadable::new);
    return switch (token.kind()) {
      case NUMBER -> {
        position++;
        if (skip("_")) {
          throw new Unreadable(); // a number in another base
        }
        yield number(token.text());
      }
      case LETTER -> {
        position++;
        yield named(token.text());
      }
      case COMMAND -> {
        position++;
        yield command(token.text());
      }
      case SIGN ->
          switch (token.text()) {
            case "(" -> group("(", ")");
            case "[" -> group("[", "]");
            case "{" -> group("{", "}");
            case "|" -> absolute();
            default -> throw new Unreadable();
          };
      case TEXT -> throw new Unreadable();
    };
  }

  private Expression absolute() {
    skip("|");
    Expression inner = sum();
    if (!skip("|")) {
      throw new Unreadable();
    }
    return Expression.of(Operation.ABSOLUTE, inner);
  }

  private static Expression number(String digits) {
    return new Expression.Literal(Rational.of(digits), digits.indexOf('.') >= 0);
  }

  private Expression named(String name) {
    if (skip("_")) {
      int from = position;
      argument();
      StringBuilder subscripted = new StringBuilder(name).append('_');
      tokens.subList(from, position).forEach(token -> subscripted.append(token.text()));
      return new Expression.Variable(subscripted.toString());
    }
    Complex constant = CONSTANTS.get(name);
    return constant == null ? new Expression.Variable(name) : new Expression.Constant(constant);
  }

  private Expression command(String name) {
    if (FUNCTIONS.containsKey(name)) {
      return function(FUNCTIONS.get(name));
    }
    return switch (name) {
      case "frac" -> Expression.of(Operation.DIVIDE, digitOrGroup(), digitOrGroup());
      case "sqrt" -> root();
      case "log" -> logarithm();
      case "binom" -> binomial(digitOrGroup(), digitOrGroup());
      case "infty", "pi" -> named(name);
      case "alpha", "beta", "gamma", "delta", "theta", "lambda", "mu", "phi", "omega", "sigma" ->
          named(name);
      default -> throw new Unreadable();
    };
  }

  private Expression root() {
    Expression degree = TWO;
    if (peek().filter(token -> token.is("[")).isPresent()) {
      degree = group("[", "]");
    }
    Expression one = new Expression.Literal(Rational.ONE, false);
    return Expression.of(
        Operation.POWER, digitOrGroup(), Expression.of(Operation.DIVIDE, one, degree));
  }

  private Expression logarithm() {
    Expression base = skip("_") ? argument() : TEN;
    Expression of = operand();
    return Expression.of(
        Operation.DIVIDE, Expression.of(Operation.LOG, of), Expression.of(Operation.LOG, base));
  }

  /** \sin^2 x is the square of \sin x. */
  private Expression function(Operation operation) {
    Optional<Expression> power = skip("^") ? Optional.of(argument()) : Optional.empty();
    Expression value = Expression.of(operation, operand());
    return power.map(p -> Expression.of(Operation.POWER, value, p)).orElse(value);
  }

  /** What a function without brackets is of: 2x in \sin 2x, and not what follows a function. */
  private Expression operand() {
    enter();
    Expression operand = power();
    boolean bracketed = position > 0 && tokens.get(position - 1).is(")");
    while (!bracketed
        && peek().filter(t -> t.kind() == Kind.LETTER || t.isCommand("pi")).isPresent()) {
      operand = Expression.of(Operation.MULTIPLY, operand, power());
    }
    depth--;
    return operand;
  }

  private static Expression binomial(Expression n, Expression k) {
    return Expression.of(
        Operation.DIVIDE,
        Expression.of(Operation.FACTORIAL, n),
        Expression.of(
            Operation.MULTIPLY,
            Expression.of(Operation.FACTORIAL, k),
            Expression.of(Operation.FACTORIAL, Expression.of(Operation.SUBTRACT, n, k))));
  }
}
