package dev.troupe.models.tokenizer.jinja;

import java.math.BigInteger;

/** A value of Python, as far as templates meet them. */
sealed interface Value
    permits Value.None,
        Value.Bool,
        Value.Int,
        Value.Real,
        Value.Undefined,
        Text,
        Sequence,
        Generator,
        Dict,
        Namespace,
        Function,
        Loop {
  /** Python's {@code None}. */
  enum None implements Value {
    NONE
  }

  /** {@code True} or {@code False}. */
  record Bool(boolean value) implements Value {}

  /** An integer of any size. */
  record Int(BigInteger value) implements Value {
    static Int of(long value) {
      return new Int(BigInteger.valueOf(value));
    }
  }

  /** A {@code float}. */
  record Real(double value) implements Value {}

  /**
   * What a name, an attribute or an index without a value gives: empty when printed, an error when
   * used.
   *
   * @param name for the error
   */
  record Undefined(String name) implements Value {
    JinjaException error() {
      return JinjaException.of("'" + name + "' is undefined");
    }
  }
}
