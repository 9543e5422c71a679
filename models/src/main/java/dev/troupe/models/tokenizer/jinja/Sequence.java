package dev.troupe.models.tokenizer.jinja;

import java.util.List;

/**
 * Items in order.
 *
 * @param kind which of Python's types it is
 */
record Sequence(List<Value> items, Kind kind) implements Value {
  /** Python's types of items in order. */
  enum Kind {
    LIST,
    TUPLE,
    RANGE,
    /** What {@code keys()}, {@code values()} and {@code items()} give: has no index. */
    VIEW
  }

  Sequence {
    items = List.copyOf(items);
  }

  static Sequence list(List<? extends Value> items) {
    return new Sequence(List.copyOf(items), Kind.LIST);
  }

  static Sequence tuple(List<? extends Value> items) {
    return new Sequence(List.copyOf(items), Kind.TUPLE);
  }
}
