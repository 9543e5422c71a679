package dev.troupe.models.tokenizer.jinja;

import dev.troupe.models.tokenizer.jinja.Expressions.Given;
import dev.troupe.models.tokenizer.jinja.Statements.Branch;
import dev.troupe.models.tokenizer.jinja.Statements.Parameter;
import dev.troupe.models.tokenizer.jinja.Statements.Target;
import dev.troupe.models.tokenizer.jinja.Token.Kind;
import java.math.BigInteger;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Objects;
import java.util.Set;

/** Statements from pieces. */
final class Parser {
  private static final Set<String> ARITHMETIC = Set.of("*", "/", "//", "%");
  private static final Set<String> COMPARISONS = Set.of("==", "!=", "<", "<=", ">", ">=");

  private final List<Token> tokens;
  private int at;
  private int depth;
  private int loops;
  private boolean generates;
  private Set<String> names = new HashSet<>();

  private Parser(List<Token> tokens) {
    this.tokens = tokens;
  }

  /**
   * A template read.
   *
   * @param generates whether it has {@code generation} blocks
   */
  record Parsed(List<Statement> statements, boolean generates) {}

  /**
   * Reads a template.
   *
   * @throws JinjaException when it is no Jinja, or has a block that is not supported
   */
  static Parsed parse(String source) {
    Parser parser = new Parser(Lexer.tokens(source));
    List<Statement> statements = parser.body();
    if (!parser.current().is(Kind.END)) {
      throw parser.failure(parser.current().shown() + " closes nothing");
    }
    return new Parsed(statements, parser.generates);
  }

  private Token current() {
    return tokens.get(at);
  }

  private Token following() {
    return tokens.get(Math.min(at + 1, tokens.size() - 1));
  }

  private Token take() {
    Token token = current();
    at += token.is(Kind.END) ? 0 : 1;
    return token;
  }

  private JinjaException failure(String message) {
    return JinjaException.of(message).at(current().line());
  }

  private boolean skipOperator(String operator) {
    boolean found = current().isOperator(operator);
    at += found ? 1 : 0;
    return found;
  }

  private boolean skipName(String name) {
    boolean found = current().isName(name);
    at += found ? 1 : 0;
    return found;
  }

  private void expectOperator(String operator) {
    if (!skipOperator(operator)) {
      throw failure("'" + operator + "' is expected before " + current().shown());
    }
  }

  private String expectName() {
    if (!current().is(Kind.NAME)) {
      throw failure("a name is expected before " + current().shown());
    }
    return take().text();
  }

  private void expect(Kind kind) {
    if (!current().is(kind)) {
      throw failure(current().shown() + " is not expected here");
    }
    take();
  }

  private void deeper() {
    if (++depth > Limits.NESTING) {
      throw failure("more than " + Limits.NESTING + " blocks or brackets stand in each other");
    }
  }

  /**
   * Statements up to one of the ends, whose name is the current token; or to the template's end.
   */
  private List<Statement> body(String... ends) {
    deeper();
    List<Statement> statements = new ArrayList<>();
    while (true) {
      Token token = take();
      if (token.is(Kind.END)) {
        if (ends.length > 0) {
          throw failure("the template ends where {% " + ends[ends.length - 1] + " %} is expected");
        }
        break;
      }
      if (token.is(Kind.DATA)) {
        statements.add(new Statements.Data(Text.of(token.text())));
      } else if (token.is(Kind.VARIABLE_BEGIN)) {
        Expression value = tuple(true);
        expect(Kind.VARIABLE_END);
        statements.add(new Statements.Placed(new Statements.Print(value), token.line()));
      } else {
        if (current().is(Kind.NAME) && List.of(ends).contains(current().text())) {
          break;
        }
        Statement statement = block(expectName(), token.line());
        expect(Kind.BLOCK_END);
        statements.add(new Statements.Placed(statement, token.line()));
      }
    }
    depth--;
    return statements;
  }

  /** The body of a block whose head has been read, and its end. */
  private List<Statement> rest(String end) {
    skipOperator(":");
    expect(Kind.BLOCK_END);
    List<Statement> statements = body(end);
    take();
    return statements;
  }

  private Statement block(String tag, int line) {
    return switch (tag) {
      case "for" -> loop();
      case "if" -> branches();
      case "set" -> assignment();
      case "macro" -> macro(expectName(), "endmacro");
      case "call" -> callBlock();
      case "filter" -> {
        String filter = filterName();
        Given given = current().isOperator("(") ? given() : Given.NOTHING;
        Expression body = filters(new Expressions.Filtered(Hole.HERE, filter, given), true);
        Expression captured = new Statements.Captured(rest("endfilter"));
        yield new Statements.Print(frame -> Hole.filled(body, captured, frame));
      }
      case "with" -> with();
      case "generation" -> {
        generates = true;
        int around = loops;
        loops = 0;
        Statement generation = new Statements.Generation(rest("endgeneration"));
        loops = around;
        yield generation;
      }
      case "break", "continue" -> {
        if (loops == 0) {
          throw JinjaException.of("'" + tag + "' stands outside of a loop").at(line);
        }
        yield new Statements.Jump(
            tag.equals("break") ? Statement.Then.BREAK : Statement.Then.CONTINUE);
      }
      default -> throw JinjaException.unsupported("the block {% " + tag + " %}").at(line);
    };
  }

  private Statement loop() {
    Target target = target(false);
    if (!skipName("in")) {
      throw failure("'in' is expected before " + current().shown());
    }
    Expression items = tuple(false);
    Expression condition = skipName("if") ? expression() : null;
    if (current().isName("recursive")) {
      throw JinjaException.unsupported("a recursive loop").at(current().line());
    }
    skipOperator(":");
    expect(Kind.BLOCK_END);
    loops++;
    List<Statement> body = body("else", "endfor");
    loops--;
    List<Statement> otherwise = take().isName("else") ? rest("endfor") : List.of();
    return new Statements.For(target, items, condition, body, otherwise);
  }

  private Statement branches() {
    List<Branch> branches = new ArrayList<>();
    while (true) {
      Expression condition = tuple(false);
      skipOperator(":");
      expect(Kind.BLOCK_END);
      branches.add(new Branch(condition, body("elif", "else", "endif")));
      Token end = take();
      if (!end.isName("elif")) {
        return new Statements.If(branches, end.isName("else") ? rest("endif") : List.of());
      }
    }
  }

  private Statement assignment() {
    Target target = target(true);
    if (skipOperator("=")) {
      return new Statements.Assign(target, tuple(true));
    }
    Expression filtered = filters(Hole.HERE, true);
    Expression captured = new Statements.Captured(rest("endset"));
    return new Statements.Assign(target, frame -> Hole.filled(filtered, captured, frame));
  }

  /** Stands where a block's text will be filtered. */
  private enum Hole implements Expression {
    HERE;

    private static final String NAME = " ";

    @Override
    public Value evaluate(Frame frame) {
      return frame.get(NAME);
    }

    static Value filled(Expression filters, Expression captured, Frame frame) {
      Frame inner = frame.inner();
      inner.set(NAME, captured.evaluate(frame));
      return filters.evaluate(inner);
    }
  }

  private Target target(boolean attributes) {
    List<Target> targets = new ArrayList<>();
    boolean tuple = false;
    while (true) {
      targets.add(oneTarget(attributes));
      if (!skipOperator(",")) {
        break;
      }
      tuple = true;
      if (current().isName("in") || !(current().is(Kind.NAME) || current().isOperator("("))) {
        break;
      }
    }
    return tuple ? new Statements.TupleTarget(targets) : targets.get(0);
  }

  private Target oneTarget(boolean attributes) {
    if (skipOperator("(")) {
      deeper();
      Target inner = target(attributes);
      depth--;
      expectOperator(")");
      return inner;
    }
    String name = expectName();
    if (Set.of("true", "false", "none", "True", "False", "None", "in").contains(name)) {
      throw failure("'" + name + "' cannot be set");
    }
    if (attributes && skipOperator(".")) {
      return new Statements.AttributeTarget(name, expectName());
    }
    return new Statements.NameTarget(name);
  }

  private Statements.Macro macro(String name, String end) {
    List<Parameter> parameters = new ArrayList<>();
    if (end.equals("endmacro") || current().isOperator("(")) {
      expectOperator("(");
      while (!current().isOperator(")")) {
        if (!parameters.isEmpty()) {
          expectOperator(",");
        }
        String parameter = expectName();
        Expression otherwise = skipOperator("=") ? expression() : null;
        if (otherwise == null && parameters.stream().anyMatch(p -> p.otherwise() != null)) {
          throw failure("a parameter without a default follows one with a default");
        }
        parameters.add(new Parameter(parameter, otherwise));
      }
      expectOperator(")");
    }
    if (end.equals("endcall")) {
      return new Statements.Macro(name, parameters, List.of(), false, false);
    }
    return bodied(name, parameters, end);
  }

  private Statements.Macro bodied(String name, List<Parameter> parameters, String end) {
    Set<String> outside = names;
    int around = loops;
    names = new HashSet<>();
    loops = 0;
    List<Statement> body = rest(end);
    Set<String> inside = names;
    loops = around;
    names = outside;
    names.addAll(inside);
    return new Statements.Macro(
        name, parameters, body, inside.contains("varargs"), inside.contains("kwargs"));
  }

  private Statement callBlock() {
    Statements.Macro signature = macro("caller", "endcall");
    if (!(expression() instanceof Expressions.Call call)) {
      throw failure("{% call %} needs a call");
    }
    return new Statements.CallBlock(
        call.function(), call.given(), bodied("caller", signature.parameters(), "endcall"));
  }

  private Statement with() {
    List<Map.Entry<Target, Expression>> values = new ArrayList<>();
    while (!current().is(Kind.BLOCK_END)) {
      if (!values.isEmpty()) {
        expectOperator(",");
      }
      Target target = oneTarget(false);
      expectOperator("=");
      values.add(Map.entry(target, expression()));
    }
    return new Statements.With(values, rest("endwith"));
  }

  /** One expression, or several with commas between them. */
  private Expression tuple(boolean conditional) {
    List<Expression> items = new ArrayList<>();
    boolean tuple = false;
    while (!endsTuple()) {
      items.add(conditional ? expression() : or());
      if (!skipOperator(",")) {
        break;
      }
      tuple = true;
    }
    if (items.isEmpty()) {
      throw failure("an expression is expected before " + current().shown());
    }
    return tuple ? new Expressions.Items(items, Sequence.Kind.TUPLE) : items.get(0);
  }

  private boolean endsTuple() {
    return current().is(Kind.VARIABLE_END)
        || current().is(Kind.BLOCK_END)
        || current().isOperator(")")
        || current().isName("recursive");
  }

  private Expression expression() {
    deeper();
    Expression value = or();
    while (skipName("if")) {
      Expression condition = or();
      value = new Expressions.Conditional(condition, value, skipName("else") ? expression() : null);
    }
    depth--;
    return value;
  }

  private Expression or() {
    Expression value = and();
    while (skipName("or")) {
      value = new Expressions.Or(value, and());
    }
    return value;
  }

  private Expression and() {
    Expression value = not();
    while (skipName("and")) {
      value = new Expressions.And(value, not());
    }
    return value;
  }

  private Expression not() {
    if (!skipName("not")) {
      return comparison();
    }
    deeper();
    Expression value = new Expressions.Not(not());
    depth--;
    return value;
  }

  private Expression comparison() {
    Expression first = sum();
    List<Map.Entry<String, Expression>> others = new ArrayList<>();
    while (true) {
      if (current().is(Kind.OPERATOR) && COMPARISONS.contains(current().text())) {
        others.add(Map.entry(take().text(), sum()));
      } else if (skipName("in")) {
        others.add(Map.entry("in", sum()));
      } else if (current().isName("not") && following().isName("in")) {
        at += 2;
        others.add(Map.entry("not in", sum()));
      } else {
        return others.isEmpty() ? first : new Expressions.Comparison(first, others);
      }
    }
  }

  private Expression sum() {
    Expression value = concatenation();
    while (current().isOperator("+") || current().isOperator("-")) {
      value = new Expressions.Binary(take().text(), value, concatenation());
    }
    return value;
  }

  private Expression concatenation() {
    List<Expression> parts = new ArrayList<>();
    parts.add(product());
    while (skipOperator("~")) {
      parts.add(product());
    }
    return parts.size() == 1 ? parts.get(0) : new Expressions.Concatenation(parts);
  }

  private Expression product() {
    Expression value = power();
    while (current().is(Kind.OPERATOR) && ARITHMETIC.contains(current().text())) {
      value = new Expressions.Binary(take().text(), value, power());
    }
    return value;
  }

  /** Unlike in Python, powers are taken from left to right and the sign binds closer. */
  private Expression power() {
    Expression value = unary(true);
    while (skipOperator("**")) {
      value = new Expressions.Binary("**", value, unary(true));
    }
    return value;
  }

  private Expression unary(boolean withFilters) {
    Expression value;
    if (current().isOperator("-") || current().isOperator("+")) {
      deeper();
      boolean negative = take().text().equals("-");
      value = new Expressions.Signed(negative, unary(false));
      depth--;
    } else {
      value = primary();
    }
    value = postfix(value);
    return withFilters ? filters(value, false) : value;
  }

  private Expression primary() {
    Token token = take();
    return switch (token.kind()) {
      case NAME -> name(token.text());
      case STRING -> {
        StringBuilder text = new StringBuilder(token.text());
        while (current().is(Kind.STRING)) {
          text.append(take().text());
        }
        yield new Expressions.Constant(Text.of(text.toString()));
      }
      case INTEGER -> new Expressions.Constant(new Value.Int(integer(token.text())));
      case REAL ->
          new Expressions.Constant(
              new Value.Real(Double.parseDouble(token.text().replace("_", ""))));
      case OPERATOR -> bracketed(token);
      default -> {
        at--;
        throw failure("an expression is expected before " + token.shown());
      }
    };
  }

  private Expression name(String name) {
    names.add(name);
    return switch (name) {
      case "true", "True" -> new Expressions.Constant(Operations.bool(true));
      case "false", "False" -> new Expressions.Constant(Operations.bool(false));
      case "none", "None" -> new Expressions.Constant(Value.None.NONE);
      default -> new Expressions.Name(name);
    };
  }

  private BigInteger integer(String literal) {
    if (literal.length() > Limits.DIGITS) {
      throw failure("a number is longer than " + Limits.DIGITS + " digits");
    }
    String digits = literal.replace("_", "").toLowerCase(Locale.ROOT);
    int base =
        digits.startsWith("0x")
            ? 16
            : digits.startsWith("0o") ? 8 : digits.startsWith("0b") ? 2 : 10;
    return new BigInteger(base == 10 ? digits : digits.substring(2), base);
  }

  private Expression bracketed(Token token) {
    return switch (token.text()) {
      case "(" -> {
        Expression value =
            current().isOperator(")")
                ? new Expressions.Items(List.of(), Sequence.Kind.TUPLE)
                : tuple(true);
        expectOperator(")");
        yield value;
      }
      case "[" -> {
        List<Expression> items = new ArrayList<>();
        while (!current().isOperator("]")) {
          items.add(expression());
          if (!skipOperator(",")) {
            break;
          }
        }
        expectOperator("]");
        yield new Expressions.Items(items, Sequence.Kind.LIST);
      }
      case "{" -> {
        List<Map.Entry<Expression, Expression>> entries = new ArrayList<>();
        while (!current().isOperator("}")) {
          Expression key = expression();
          expectOperator(":");
          entries.add(Map.entry(key, expression()));
          if (!skipOperator(",")) {
            break;
          }
        }
        expectOperator("}");
        yield new Expressions.Mapping(entries);
      }
      default -> {
        at--;
        throw failure("an expression is expected before " + token.shown());
      }
    };
  }

  private Expression postfix(Expression of) {
    Expression value = of;
    while (true) {
      if (skipOperator(".")) {
        if (current().is(Kind.INTEGER)) {
          value =
              new Expressions.Item(
                  value, new Expressions.Constant(new Value.Int(integer(take().text()))));
        } else {
          value = new Expressions.Attribute(value, expectName());
        }
      } else if (skipOperator("[")) {
        value = subscript(value);
      } else if (current().isOperator("(")) {
        value = new Expressions.Call(value, given());
      } else {
        return value;
      }
    }
  }

  private Expression subscript(Expression value) {
    Expression begin = current().isOperator(":") ? null : expression();
    if (!skipOperator(":")) {
      if (current().isOperator(",")) {
        throw JinjaException.unsupported("an index of several parts").at(current().line());
      }
      expectOperator("]");
      return new Expressions.Item(value, Objects.requireNonNull(begin));
    }
    Expression end = current().isOperator(":") || current().isOperator("]") ? null : expression();
    Expression step = skipOperator(":") && !current().isOperator("]") ? expression() : null;
    expectOperator("]");
    return new Expressions.Slice(value, begin, end, step);
  }

  private Given given() {
    expectOperator("(");
    List<Expression> positional = new ArrayList<>();
    Map<String, Expression> named = new LinkedHashMap<>();
    Expression more = null;
    Expression moreNamed = null;
    while (!current().isOperator(")")) {
      if (moreNamed != null) {
        throw failure("an argument follows '**'");
      } else if (skipOperator("**")) {
        moreNamed = expression();
      } else if (more == null && skipOperator("*")) {
        more = expression();
      } else if (current().is(Kind.NAME) && following().isOperator("=")) {
        String name = take().text();
        take();
        if (named.put(name, expression()) != null) {
          throw failure("the argument '" + name + "' is given twice");
        }
      } else if (more != null || !named.isEmpty()) {
        throw failure("an argument follows one with a name");
      } else {
        positional.add(expression());
      }
      if (!skipOperator(",")) {
        break;
      }
    }
    expectOperator(")");
    return new Given(positional, named, more, moreNamed);
  }

  private String filterName() {
    String name = expectName();
    if (current().isOperator(".")) {
      throw JinjaException.unsupported("a filter with a dot in its name").at(current().line());
    }
    return name;
  }

  /** Filters, and unless they follow a block's head tests and calls. */
  private Expression filters(Expression of, boolean only) {
    Expression value = of;
    while (true) {
      if (skipOperator("|")) {
        String filter = filterName();
        value =
            new Expressions.Filtered(
                value, filter, current().isOperator("(") ? given() : Given.NOTHING);
      } else if (!only && skipName("is")) {
        value = test(value);
      } else if (!only && current().isOperator("(")) {
        value = new Expressions.Call(value, given());
      } else {
        return value;
      }
    }
  }

  private Expression test(Expression value) {
    boolean negated = skipName("not");
    String name = expectName();
    Given given = Given.NOTHING;
    boolean argument =
        (current().is(Kind.NAME) && !Set.of("else", "or", "and").contains(current().text()))
            || current().is(Kind.STRING)
            || current().is(Kind.INTEGER)
            || current().is(Kind.REAL)
            || current().isOperator("[")
            || current().isOperator("{");
    if (current().isOperator("(")) {
      given = given();
    } else if (current().isName("is")) {
      throw failure("tests with 'is' cannot follow each other");
    } else if (argument) {
      given = new Given(List.of(postfix(primary())), Map.of(), null, null);
    }
    Expression tested = new Expressions.Tested(value, name, given);
    return negated ? new Expressions.Not(tested) : tested;
  }
}
