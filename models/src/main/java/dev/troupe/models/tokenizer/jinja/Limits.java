package dev.troupe.models.tokenizer.jinja;

/** What a template may take before it is stopped. */
final class Limits {
  /** Letters of a text. */
  static final int TEXT = 1 << 23;

  /** Items of a list that an operator makes; jinja2's sandbox has the same limit on ranges. */
  static final int ITEMS = 100_000;

  /** Bits of an integer: Python prints no more than 4300 digits. */
  static final int BITS = 14_280;

  /** Digits of a number that is read. */
  static final int DIGITS = 4300;

  /** Passes through loops and calls of macros. */
  static final int STEPS = 10_000_000;

  /** Brackets and blocks in each other. */
  static final int NESTING = 100;

  /** Macros that call each other. */
  static final int CALLS = 100;

  private Limits() {}
}
