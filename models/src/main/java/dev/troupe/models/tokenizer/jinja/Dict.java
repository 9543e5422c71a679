package dev.troupe.models.tokenizer.jinja;

import java.util.ArrayList;
import java.util.Collection;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/** A {@code dict}: keys that Python holds for equal (1, 1.0, True) are one key. */
final class Dict implements Value {
  private final Map<Object, Map.Entry<Value, Value>> entries = new LinkedHashMap<>();
  private final int message;

  Dict() {
    this(0);
  }

  /** The n-th message of the dialogue, counted from 1; 0 for any other dictionary. */
  Dict(int message) {
    this.message = message;
  }

  int message() {
    return message;
  }

  @Nullable Value get(Value key) {
    Map.Entry<Value, Value> entry = entries.get(Operations.key(key));
    return entry == null ? null : entry.getValue();
  }

  void put(Value key, Value value) {
    // A key keeps the form in which it came first.
    entries.merge(
        Operations.key(key),
        Map.entry(key, value),
        (before, now) -> Map.entry(before.getKey(), value));
  }

  void putAll(Dict other) {
    other.entries.values().forEach(entry -> put(entry.getKey(), entry.getValue()));
  }

  Collection<Map.Entry<Value, Value>> entries() {
    return entries.values();
  }

  List<Value> keys() {
    return entries.values().stream().map(Map.Entry::getKey).toList();
  }

  List<Value> values() {
    return entries.values().stream().map(Map.Entry::getValue).toList();
  }

  /** Pairs of key and value. */
  List<Value> items() {
    List<Value> items = new ArrayList<>();
    entries.values().forEach(e -> items.add(Sequence.tuple(List.of(e.getKey(), e.getValue()))));
    return items;
  }

  int size() {
    return entries.size();
  }
}
