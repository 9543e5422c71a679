package dev.troupe.models.tokenizer.jinja;

import java.util.ArrayList;
import java.util.Iterator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.NoSuchElementException;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/** The kinds of statements. */
final class Statements {
  private Statements() {}

  /** A statement with its line, which errors tell. */
  record Placed(Statement statement, int line) implements Statement {
    @Override
    public Then execute(Frame frame) {
      try {
        return statement.execute(frame);
      } catch (JinjaException e) {
        throw e.at(line);
      }
    }
  }

  /** Text of the template. */
  record Data(Text text) implements Statement {
    @Override
    public Then execute(Frame frame) {
      frame.output().write(text);
      return Then.NEXT;
    }
  }

  /** {@code {{ value }}}. */
  record Print(Expression value) implements Statement {
    @Override
    public Then execute(Frame frame) {
      frame.output().write(Printing.text(value.evaluate(frame)));
      return Then.NEXT;
    }
  }

  /** What is assigned to. */
  sealed interface Target {
    void assign(Value value, Frame frame);
  }

  /** A name. */
  record NameTarget(String name) implements Target {
    @Override
    public void assign(Value value, Frame frame) {
      frame.set(name, value);
    }
  }

  /** {@code ns.name}. */
  record AttributeTarget(String namespace, String name) implements Target {
    @Override
    public void assign(Value value, Frame frame) {
      if (!(frame.get(namespace) instanceof Namespace found)) {
        throw JinjaException.of(
            "'" + namespace + "' is no namespace, so its attribute cannot be set");
      }
      found.attributes().put(Text.of(name), value);
    }
  }

  /** {@code a, b}. */
  record TupleTarget(List<Target> targets) implements Target {
    @Override
    public void assign(Value value, Frame frame) {
      List<Value> values = Operations.iterate(value);
      if (values.size() != targets.size()) {
        throw JinjaException.of(
            values.size() + " values are given to " + targets.size() + " names");
      }
      for (int i = 0; i < targets.size(); i++) {
        targets.get(i).assign(values.get(i), frame);
      }
    }
  }

  /** {@code {% set a = value %}}. */
  record Assign(Target target, Expression value) implements Statement {
    @Override
    public Then execute(Frame frame) {
      target.assign(value.evaluate(frame), frame);
      return Then.NEXT;
    }
  }

  /** A block's text as a value. */
  record Captured(List<Statement> body) implements Expression {
    @Override
    public Value evaluate(Frame frame) {
      Output output = Output.ofValue();
      finish(body, frame.writingTo(output));
      return output.text();
    }
  }

  /** Runs a body that no loop's jump leaves. */
  private static void finish(List<Statement> body, Frame frame) {
    if (Statement.executeAll(body, frame) != Statement.Then.NEXT) {
      throw JinjaException.of("'break' or 'continue' stands outside of a loop");
    }
  }

  /** One way of an {@code if}. */
  record Branch(Expression condition, List<Statement> body) {}

  /** {@code {% if %}}. */
  record If(List<Branch> branches, List<Statement> otherwise) implements Statement {
    @Override
    public Then execute(Frame frame) {
      for (Branch branch : branches) {
        if (Operations.truth(branch.condition().evaluate(frame))) {
          return Statement.executeAll(branch.body(), frame);
        }
      }
      return Statement.executeAll(otherwise, frame);
    }
  }

  /** {@code {% for target in items if condition %}}. */
  record For(
      Target target,
      Expression items,
      @Nullable Expression condition,
      List<Statement> body,
      List<Statement> otherwise)
      implements Statement {
    @Override
    public Then execute(Frame frame) {
      Iterator<Value> all = Operations.iterate(items.evaluate(frame)).iterator();
      Loop loop = new Loop(condition == null ? all : new Chosen(all, target, condition, frame));
      Output output = frame.output();
      int around = output.turn();
      boolean passed = false;
      while (loop.hasNext()) {
        Value item = loop.next();
        Frame pass = frame.inner();
        pass.step();
        pass.set("loop", loop);
        target.assign(item, pass);
        boolean message = around == 0 && item instanceof Dict;
        output.turn(message ? ((Dict) item).message() : around);
        Then then = Statement.executeAll(body, pass);
        output.turn(around);
        if (then == Then.BREAK) {
          break;
        }
        passed |= then == Then.NEXT;
      }
      // In jinja2 'else' also follows when no pass came to its end.
      return passed ? Then.NEXT : Statement.executeAll(otherwise, frame.inner());
    }
  }

  /** The items that fulfil a loop's condition, tried one by one as the loop goes. */
  private static final class Chosen implements Iterator<Value> {
    private final Iterator<Value> all;
    private final Target target;
    private final Expression condition;
    private final Frame frame;
    private @Nullable Value next;

    Chosen(Iterator<Value> all, Target target, Expression condition, Frame frame) {
      this.all = all;
      this.target = target;
      this.condition = condition;
      this.frame = frame;
    }

    @Override
    public boolean hasNext() {
      while (next == null && all.hasNext()) {
        Value item = all.next();
        Frame tried = frame.inner();
        tried.step();
        target.assign(item, tried);
        if (Operations.truth(condition.evaluate(tried))) {
          next = item;
        }
      }
      return next != null;
    }

    @Override
    public Value next() {
      if (!hasNext()) {
        throw new NoSuchElementException();
      }
      Value item = Objects.requireNonNull(next);
      next = null;
      return item;
    }
  }

  /** {@code {% continue %}} and {@code {% break %}}. */
  record Jump(Then then) implements Statement {
    @Override
    public Then execute(Frame frame) {
      return then;
    }
  }

  /** {@code {% with a = 1 %}}. */
  record With(List<Map.Entry<Target, Expression>> values, List<Statement> body)
      implements Statement {
    @Override
    public Then execute(Frame frame) {
      Frame inner = frame.inner();
      values.forEach(value -> value.getKey().assign(value.getValue().evaluate(frame), inner));
      return Statement.executeAll(body, inner);
    }
  }

  /** {@code {% generation %}}: what an assistant says, for the mask. */
  record Generation(List<Statement> body) implements Statement {
    @Override
    public Then execute(Frame frame) {
      int begin = frame.output().size();
      finish(body, frame.inner());
      frame.output().generatedSince(begin);
      return Then.NEXT;
    }
  }

  /** What a macro takes; without a default it may be left undefined. */
  record Parameter(String name, @Nullable Expression otherwise) {}

  /**
   * {@code {% macro name(parameters) %}}.
   *
   * @param varargs whether the body speaks of further arguments
   * @param kwargs whether the body speaks of further arguments by name
   */
  record Macro(
      String name,
      List<Parameter> parameters,
      List<Statement> body,
      boolean varargs,
      boolean kwargs)
      implements Statement {
    @Override
    public Then execute(Frame frame) {
      frame.set(name, bound(frame));
      return Then.NEXT;
    }

    Function bound(Frame defined) {
      int[] depth = {defined.calls()};
      return new Function(name, arguments -> call(defined, arguments, depth));
    }

    private Value call(Frame defined, Arguments arguments, int[] depth) {
      Output output = Output.ofValue();
      Frame frame = defined.called(output, depth[0]);
      frame.step();
      bind(arguments, frame);
      depth[0]++;
      try {
        finish(body, frame);
      } finally {
        depth[0]--;
      }
      return output.text();
    }

    private void bind(Arguments arguments, Frame frame) {
      Map<String, Value> named = new LinkedHashMap<>(arguments.named());
      Iterator<Value> positional = arguments.positional().iterator();
      for (Parameter parameter : parameters) {
        Value byName = named.remove(parameter.name());
        if (positional.hasNext() && byName != null) {
          throw JinjaException.of("macro '" + name + "' is given '" + parameter.name() + "' twice");
        }
        Value value = positional.hasNext() ? positional.next() : byName;
        if (value == null) {
          value =
              parameter.otherwise() == null
                  ? new Value.Undefined(parameter.name())
                  : parameter.otherwise().evaluate(frame);
        }
        frame.set(parameter.name(), value);
      }
      Value caller = named.remove("caller");
      frame.set("caller", caller == null ? new Value.Undefined("caller") : caller);
      if ((positional.hasNext() && !varargs) || (!named.isEmpty() && !kwargs)) {
        throw JinjaException.of("macro '" + name + "' does not take so many arguments");
      }
      List<Value> more = new ArrayList<>();
      positional.forEachRemaining(more::add);
      Dict moreNamed = new Dict();
      named.forEach((key, value) -> moreNamed.put(Text.of(key), value));
      frame.set("varargs", Sequence.tuple(more));
      frame.set("kwargs", moreNamed);
    }
  }

  /** {@code {% call macro() %}}: the macro's text, with the body as its {@code caller}. */
  record CallBlock(Expression function, Expressions.Given given, Macro body) implements Statement {
    @Override
    public Then execute(Frame frame) {
      Arguments arguments = given.evaluate(frame);
      Map<String, Value> named = new LinkedHashMap<>(arguments.named());
      named.put("caller", body.bound(frame));
      Value text =
          Expressions.call(function.evaluate(frame), new Arguments(arguments.positional(), named));
      frame.output().write(Printing.text(text));
      return Then.NEXT;
    }
  }
}
