package dev.troupe.models.tokenizer.jinja;

import java.util.List;

/** Items that can be gone through once, as what {@code map} and {@code select} give. */
final class Generator implements Value {
  private List<Value> items;

  Generator(List<Value> items) {
    this.items = List.copyOf(items);
  }

  /** What is left; nothing afterwards. */
  List<Value> take() {
    List<Value> taken = items;
    items = List.of();
    return taken;
  }

  /** The next item, taken out. */
  List<Value> takeFirst() {
    List<Value> first = items.subList(0, Math.min(1, items.size()));
    items = items.subList(first.size(), items.size());
    return first;
  }
}
