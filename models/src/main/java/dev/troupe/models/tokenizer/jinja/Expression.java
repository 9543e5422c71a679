package dev.troupe.models.tokenizer.jinja;

/** What has a value. */
@FunctionalInterface
interface Expression {
  Value evaluate(Frame frame);
}
