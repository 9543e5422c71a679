package dev.troupe.models.tokenizer.jinja;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/** The kinds of expressions. */
final class Expressions {
  private Expressions() {}

  /** A literal. */
  record Constant(Value value) implements Expression {
    @Override
    public Value evaluate(Frame frame) {
      return value;
    }
  }

  /** A variable. */
  record Name(String name) implements Expression {
    @Override
    public Value evaluate(Frame frame) {
      return frame.get(name);
    }
  }

  /** {@code [a, b]} and {@code (a, b)}. */
  record Items(List<Expression> items, Sequence.Kind kind) implements Expression {
    @Override
    public Value evaluate(Frame frame) {
      return new Sequence(items.stream().map(item -> item.evaluate(frame)).toList(), kind);
    }
  }

  /** {@code {a: b}}. */
  record Mapping(List<Map.Entry<Expression, Expression>> entries) implements Expression {
    @Override
    public Value evaluate(Frame frame) {
      Dict dict = new Dict();
      entries.forEach(e -> dict.put(e.getKey().evaluate(frame), e.getValue().evaluate(frame)));
      return dict;
    }
  }

  /** {@code value.name}. */
  record Attribute(Expression value, String name) implements Expression {
    @Override
    public Value evaluate(Frame frame) {
      return Operations.attribute(value.evaluate(frame), name);
    }
  }

  /** {@code value[key]}. */
  record Item(Expression value, Expression key) implements Expression {
    @Override
    public Value evaluate(Frame frame) {
      return Operations.item(value.evaluate(frame), key.evaluate(frame));
    }
  }

  /** {@code value[begin:end:step]}. */
  record Slice(
      Expression value,
      @Nullable Expression begin,
      @Nullable Expression end,
      @Nullable Expression step)
      implements Expression {
    @Override
    public Value evaluate(Frame frame) {
      return Operations.slice(
          value.evaluate(frame), place(begin, frame), place(end, frame), place(step, frame));
    }

    private static @Nullable Integer place(@Nullable Expression expression, Frame frame) {
      Value value = expression == null ? Value.None.NONE : expression.evaluate(frame);
      return value == Value.None.NONE ? null : (Integer) Operations.toInt(value, "a slice's end");
    }
  }

  /** What a call, a filter or a test is given. */
  record Given(
      List<Expression> positional,
      Map<String, Expression> named,
      @Nullable Expression more,
      @Nullable Expression moreNamed) {
    static final Given NOTHING = new Given(List.of(), Map.of(), null, null);

    Arguments evaluate(Frame frame) {
      List<Value> values = new ArrayList<>();
      positional.forEach(argument -> values.add(argument.evaluate(frame)));
      Map<String, Value> byName = new LinkedHashMap<>();
      named.forEach((name, argument) -> byName.put(name, argument.evaluate(frame)));
      if (more != null) {
        values.addAll(Operations.iterate(more.evaluate(frame)));
      }
      if (moreNamed != null) {
        if (!(moreNamed.evaluate(frame) instanceof Dict dict)) {
          throw JinjaException.of("what follows '**' is no mapping");
        }
        dict.entries()
            .forEach(
                e -> byName.put(Operations.toText(e.getKey(), "a name").toString(), e.getValue()));
      }
      return new Arguments(values, byName);
    }
  }

  /** {@code function(arguments)}. */
  record Call(Expression function, Given given) implements Expression {
    @Override
    public Value evaluate(Frame frame) {
      return call(function.evaluate(frame), given.evaluate(frame));
    }
  }

  static Value call(Value called, Arguments arguments) {
    if (called instanceof Value.Undefined undefined) {
      throw undefined.error();
    }
    if (called instanceof Function function) {
      return function.body().call(arguments);
    }
    throw JinjaException.of(Operations.type(called) + " cannot be called");
  }

  /** {@code value | filter(arguments)}. */
  record Filtered(Expression value, String filter, Given given) implements Expression {
    @Override
    public Value evaluate(Frame frame) {
      return Filters.apply(filter, value.evaluate(frame), given.evaluate(frame));
    }
  }

  /** {@code value is test(arguments)}. */
  record Tested(Expression value, String test, Given given) implements Expression {
    @Override
    public Value evaluate(Frame frame) {
      Value tested = value.evaluate(frame);
      Arguments arguments = given.evaluate(frame);
      if (test.equals("filter") || test.equals("test")) {
        arguments.bind(test, 0);
        String name = Printing.text(tested).toString();
        return Operations.bool(test.equals("test") ? Tests.known(name) : Filters.known(name));
      }
      return Operations.bool(Tests.passes(test, tested, arguments));
    }
  }

  /** Arithmetic, by the operator's sign. */
  record Binary(String operator, Expression left, Expression right) implements Expression {
    @Override
    public Value evaluate(Frame frame) {
      return Operations.arithmetic(operator, left.evaluate(frame), right.evaluate(frame));
    }
  }

  /** {@code -value} and {@code +value}. */
  record Signed(boolean negative, Expression value) implements Expression {
    @Override
    public Value evaluate(Frame frame) {
      Value of = value.evaluate(frame);
      return negative ? Operations.negative(of) : Operations.positive(of);
    }
  }

  /** {@code a ~ b}. */
  record Concatenation(List<Expression> parts) implements Expression {
    @Override
    public Value evaluate(Frame frame) {
      Text.Builder text = new Text.Builder();
      parts.forEach(part -> text.append(Printing.text(part.evaluate(frame))));
      return text.build();
    }
  }

  /** {@code not a}. */
  record Not(Expression value) implements Expression {
    @Override
    public Value evaluate(Frame frame) {
      return Operations.bool(!Operations.truth(value.evaluate(frame)));
    }
  }

  /** {@code a and b}: one of the two, as in Python. */
  record And(Expression left, Expression right) implements Expression {
    @Override
    public Value evaluate(Frame frame) {
      Value first = left.evaluate(frame);
      return Operations.truth(first) ? right.evaluate(frame) : first;
    }
  }

  /** {@code a or b}: one of the two, as in Python. */
  record Or(Expression left, Expression right) implements Expression {
    @Override
    public Value evaluate(Frame frame) {
      Value first = left.evaluate(frame);
      return Operations.truth(first) ? first : right.evaluate(frame);
    }
  }

  /** {@code a if condition else b}. */
  record Conditional(Expression condition, Expression then, @Nullable Expression otherwise)
      implements Expression {
    @Override
    public Value evaluate(Frame frame) {
      if (Operations.truth(condition.evaluate(frame))) {
        return then.evaluate(frame);
      }
      return otherwise == null
          ? new Value.Undefined("an if without an else")
          : otherwise.evaluate(frame);
    }
  }

  /** {@code a < b < c}. */
  record Comparison(Expression first, List<Map.Entry<String, Expression>> others)
      implements Expression {
    @Override
    public Value evaluate(Frame frame) {
      Value left = first.evaluate(frame);
      for (Map.Entry<String, Expression> other : others) {
        Value right = other.getValue().evaluate(frame);
        if (!compare(other.getKey(), left, right)) {
          return Operations.bool(false);
        }
        left = right;
      }
      return Operations.bool(true);
    }
  }

  static boolean compare(String operator, Value left, Value right) {
    return switch (operator) {
      case "==" -> Operations.equal(left, right);
      case "!=" -> !Operations.equal(left, right);
      case "in" -> Operations.contains(right, left);
      case "not in" -> !Operations.contains(right, left);
      case "<" -> Operations.compare(left, right, operator) < 0;
      case "<=" -> Operations.compare(left, right, operator) <= 0;
      case ">" -> Operations.compare(left, right, operator) > 0;
      case ">=" -> Operations.compare(left, right, operator) >= 0;
      default -> throw new IllegalArgumentException(operator);
    };
  }
}
