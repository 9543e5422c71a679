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

  private Frame(@Nullable Frame around, Output output, int calls) {
    this.around = around;
    this.output = output;
    this.calls = calls;
  }

  static Frame outermost(Map<String, Value> variables, Output output) {
    Frame globals = new Frame(null, output, 0);
    globals.variables.putAll(variables);
    return globals.inner();
  }

  Frame inner() {
    return new Frame(this, output, calls);
  }

  /** A block whose text is a value. */
  Frame writingTo(Output other) {
    return new Frame(this, other, calls);
  }

  /** A macro's body, called from within so many others. */
  Frame called(Output other, int fromWithin) {
    if (fromWithin >= Limits.CALLS) {
      throw JinjaException.of("more than " + Limits.CALLS + " macros call each other");
    }
    return new Frame(this, other, fromWithin + 1);
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
