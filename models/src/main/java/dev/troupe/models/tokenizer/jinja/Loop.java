package dev.troupe.models.tokenizer.jinja;

import java.util.ArrayList;
import java.util.Iterator;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * The variable {@code loop}. Looks ahead only when asked, since a condition may change on the way.
 */
final class Loop implements Value {
  private Iterator<Value> items;
  private final List<Value> ahead = new ArrayList<>();
  private int index0 = -1;
  private @Nullable Value previous;
  private @Nullable Value current;
  private @Nullable Value lastChecked;

  Loop(Iterator<Value> items) {
    this.items = items;
  }

  boolean hasNext() {
    return !ahead.isEmpty() || items.hasNext();
  }

  Value next() {
    previous = current;
    Value item = ahead.isEmpty() ? items.next() : ahead.remove(0);
    current = item;
    index0++;
    return item;
  }

  private @Nullable Value peek() {
    if (ahead.isEmpty() && items.hasNext()) {
      ahead.add(items.next());
    }
    return ahead.isEmpty() ? null : ahead.get(0);
  }

  private int length() {
    items.forEachRemaining(ahead::add);
    items = List.<Value>of().iterator();
    return index0 + 1 + ahead.size();
  }

  @Nullable Value attribute(String name) {
    return switch (name) {
      case "index" -> Value.Int.of(index0 + 1);
      case "index0" -> Value.Int.of(index0);
      case "first" -> Operations.bool(index0 == 0);
      case "last" -> Operations.bool(peek() == null);
      case "length" -> Value.Int.of(length());
      case "revindex" -> Value.Int.of(length() - index0);
      case "revindex0" -> Value.Int.of(length() - index0 - 1);
      case "previtem" ->
          previous == null ? new Value.Undefined("there is no previous item") : previous;
      case "nextitem" -> {
        Value next = peek();
        yield next == null ? new Value.Undefined("there is no next item") : next;
      }
      // Only recursive loops are deeper.
      case "depth" -> Value.Int.of(1);
      case "depth0" -> Value.Int.of(0);
      case "cycle" ->
          new Function(
              name,
              arguments -> {
                List<Value> given = arguments.positional();
                if (given.isEmpty()) {
                  throw JinjaException.of("loop.cycle() has no items");
                }
                return given.get(index0 % given.size());
              });
      case "changed" ->
          new Function(
              name,
              arguments -> {
                Value now = Sequence.tuple(arguments.positional());
                boolean changed = lastChecked == null || !Operations.equal(lastChecked, now);
                lastChecked = now;
                return Operations.bool(changed);
              });
      default -> null;
    };
  }
}
