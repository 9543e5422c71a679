package dev.troupe.models.tokenizer.jinja;

/** What can be called: a macro, a method of a value, a function of the environment. */
record Function(String name, Body body) implements Value {
  /** What it does. */
  @FunctionalInterface
  interface Body {
    Value call(Arguments arguments);
  }

  /** Is there, but cannot be called. */
  static Function unsupported(String name) {
    return new Function(
        name,
        arguments -> {
          throw JinjaException.unsupported("'" + name + "'");
        });
  }
}
