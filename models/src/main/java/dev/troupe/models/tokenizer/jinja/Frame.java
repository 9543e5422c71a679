package dev.troupe.models.tokenizer.jinja;

import java.util.HashMap;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/** The variables of a block, those around it, and where the block writes to. */
final class Frame {
  private final Map<String, Value> variables = new HashMap<>();
  private final @Nullable Frame around;
  private final Output output;
  private final int calls;
  private final int[] steps;

  private Frame(@Nullable Frame around, Output output, int calls, int[] steps) {
    this.around = around;
    this.output = output;
    this.calls = calls;
    this.steps = steps;
  }

  static Frame outermost(Map<String, Value> variables, Output output) {
    Frame globals = new Frame(null, output, 0, new int[1]);
    globals.variables.putAll(variables);
    return globals.inner();
  }

  Frame inner() {
    return new Frame(this, output, calls, steps);
  }

  /** A block whose text is a value. */
  Frame writingTo(Output other) {
    return new Frame(this, other, calls, steps);
  }

  /** A macro's body, called from within so many others. */
  Frame called(Output other, int fromWithin) {
    if (fromWithin >= Limits.CALLS) {
      throw JinjaException.of("more than " + Limits.CALLS + " macros call each other");
    }
    return new Frame(this, other, fromWithin + 1, steps);
  }

  /** Counts what may not go on for ever. */
  void step() {
    if (++steps[0] > Limits.STEPS) {
      throw JinjaException.of("it takes more than " + Limits.STEPS + " steps");
    }
  }

  int calls() {
    return calls;
  }

  Output output() {
    return output;
  }

  void set(String name, Value value) {
    variables.put(name, value);
  }

  Value get(String name) {
    for (Frame frame = this; frame != null; frame = frame.around) {
      Value value = frame.variables.get(name);
      if (value != null) {
        return value;
      }
    }
    return new Value.Undefined(name);
  }
}
