package dev.troupe.rlhf.environment.calls;

/**
 * What stands around a thought.
 *
 * @param open empty where a family has no such marks
 */
record Marks(String open, String close) {
  static final Marks THINK = new Marks("<think>", "</think>");
  static final Marks NONE = new Marks("", "");
}
