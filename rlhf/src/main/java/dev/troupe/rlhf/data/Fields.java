package dev.troupe.rlhf.data;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * The fields of one record, which remember which of them were read: what nobody read is told, so
 * that no field is dropped in silence. Null and empty values hold nothing to drop.
 */
final class Fields {
  private final JsonNode node;
  private final Origin origin;
  private final Set<String> read = new LinkedHashSet<>();
  private final Set<String> unread = new LinkedHashSet<>();
  private final Set<String> kept = new LinkedHashSet<>();

  Fields(JsonNode node, Origin origin) {
    this.node = node;
    this.origin = origin;
  }

  JsonNode node() {
    return node;
  }

  Origin origin() {
    return origin;
  }

  /** Whether there is a value, which is not null. */
  boolean has(String key) {
    return node.hasNonNull(key);
  }

  /** The first of these keys that has a value. */
  Optional<String> firstOf(List<String> keys) {
    return keys.stream().filter(this::has).findFirst();
  }

  /** The value at a key, which counts as read; null without one. */
  @Nullable JsonNode read(String key) {
    read.add(key);
    return node.get(key);
  }

  /** Fields that nobody reads, by name; from now on they count as read. */
  Map<String, JsonNode> keep() {
    Map<String, JsonNode> left = new LinkedHashMap<>();
    node.properties().stream()
        .filter(
            field ->
                kept.contains(field.getKey())
                    || (!read.contains(field.getKey()) && !isEmpty(field.getValue())))
        .forEach(field -> left.put(field.getKey(), field.getValue()));
    kept.addAll(left.keySet());
    read.addAll(left.keySet());
    return left;
  }

  /** Names of what {@link #keep} gave. */
  Set<String> kept() {
    return kept;
  }

  /** Something inside a field that nobody reads. */
  void unread(String name) {
    unread.add(name);
  }

  /** Names of what was not read. */
  Set<String> unread() {
    Set<String> all = new LinkedHashSet<>(unread);
    node.properties().stream()
        .filter(field -> !read.contains(field.getKey()) && !isEmpty(field.getValue()))
        .forEach(field -> all.add(field.getKey()));
    return all;
  }

  /** Null, and text, lists and objects without anything in them. */
  static boolean isEmpty(JsonNode value) {
    return value.isNull()
        || (value.isTextual() && value.textValue().isEmpty())
        || (value.isContainerNode() && value.isEmpty());
  }

  /** The text at a key, or an error that says what is there. */
  String text(Shape shape, String key) {
    JsonNode value = read(key);
    if (value == null) {
      throw lacks(shape, key);
    }
    if (!value.isTextual()) {
      throw wrong(key, value, "text");
    }
    return value.textValue();
  }

  /** The text at a key, empty without one. */
  String optionalText(Shape shape, String key) {
    return has(key) ? text(shape, key) : "";
  }

  /** A number, or one as text; finite as a float, as which it is used. */
  double number(String key, JsonNode value) {
    double number;
    try {
      number =
          value.isNumber()
              ? value.doubleValue()
              : Double.parseDouble(value.isTextual() ? value.textValue() : "");
    } catch (NumberFormatException e) {
      throw wrong(key, value, "a number");
    }
    if (!Float.isFinite((float) number)) {
      throw DataException.at(origin, "\"" + key + "\" is " + value + ", expected a finite number");
    }
    return number;
  }

  DataException lacks(Shape shape, String key) {
    return DataException.at(
        origin,
        found(node)
            + ", expected \""
            + key
            + "\" among them: a record of shape "
            + shape.key()
            + " is "
            + shape.layout());
  }

  DataException wrong(String key, JsonNode value, String expected) {
    return DataException.at(origin, "\"" + key + "\" is " + kind(value) + ", expected " + expected);
  }

  /** A value's keys, or its kind when it has none. */
  static String found(JsonNode node) {
    if (!(node instanceof ObjectNode)) {
      return "found " + kind(node);
    }
    List<String> keys = new ArrayList<>();
    node.fieldNames().forEachRemaining(keys::add);
    return keys.isEmpty() ? "found an object without keys" : "found the keys " + keys;
  }

  static String kind(JsonNode node) {
    return switch (node.getNodeType()) {
      case ARRAY -> node.isEmpty() ? "an empty list" : "a list";
      case BOOLEAN -> "true or false";
      case NULL -> "null";
      case NUMBER -> "a number";
      case OBJECT -> "an object";
      case STRING -> "text";
      case BINARY -> "bytes";
      case MISSING, POJO -> "nothing";
    };
  }
}
