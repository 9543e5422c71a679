package dev.troupe.models.tokenizer.jinja;

import java.math.BigInteger;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/** What a template is given. */
public final class Variables {
  private final Map<String, Value> values = new HashMap<>();

  public Variables text(String name, String text) {
    values.put(name, Text.of(text));
    return this;
  }

  public Variables flag(String name, boolean flag) {
    values.put(name, Operations.bool(flag));
    return this;
  }

  public Variables none(String name) {
    values.put(name, Value.None.NONE);
    return this;
  }

  /** The origin of letters that the user gave, but in no message. */
  public static final int GIVEN = -1;

  /**
   * A value as JSON has it: text, a number, a boolean, null, a list or a map by text.
   *
   * @throws IllegalArgumentException for anything else
   */
  public Variables given(String name, @Nullable Object value) {
    values.put(name, of(value, GIVEN));
    return this;
  }

  private static Value of(@Nullable Object value, int origin) {
    if (value == null) {
      return Value.None.NONE;
    }
    if (value instanceof String text) {
      return Text.of(text, origin);
    }
    if (value instanceof Boolean flag) {
      return Operations.bool(flag);
    }
    if (value instanceof BigInteger number) {
      return new Value.Int(number);
    }
    if (value instanceof Long || value instanceof Integer) {
      return Value.Int.of(((Number) value).longValue());
    }
    if (value instanceof Double number) {
      return new Value.Real(number);
    }
    if (value instanceof List<?> list) {
      return Sequence.list(list.stream().map(item -> of(item, origin)).toList());
    }
    if (value instanceof Map<?, ?> map) {
      Dict dict = new Dict();
      map.forEach((key, item) -> dict.put(of(key, origin), of(item, origin)));
      return dict;
    }
    throw new IllegalArgumentException(value.getClass() + " is no value of JSON");
  }

  /**
   * A message of a dialogue.
   *
   * @param content text whose letters keep the message's number as their origin, as those of {@code
   *     fields} do
   * @param fields what else it has. What is null is left out, as transformers does since version 5;
   *     a content among them takes the other's place: a list of parts, or null, which takes it away
   */
  public record Message(String role, String content, Map<String, @Nullable Object> fields) {}

  /** The list {@code messages}, whose messages are numbered from 1. */
  public Variables messages(List<Message> messages) {
    List<Value> dicts = new ArrayList<>();
    for (Message message : messages) {
      int number = dicts.size() + 1;
      Dict dict = new Dict(number);
      Object thinking = message.fields().get("thinking");
      if (thinking != null) { // where transformers puts it, should a template write the whole
        dict.put(Text.of("thinking"), of(thinking, number));
      }
      dict.put(Text.of("role"), Text.of(message.role()));
      if (message.fields().getOrDefault("content", message) != null) {
        dict.put(Text.of("content"), Text.of(message.content(), number));
      }
      message
          .fields()
          .forEach(
              (name, value) -> {
                if (value != null) {
                  dict.put(Text.of(name), of(value, number));
                }
              });
      dicts.add(dict);
    }
    values.put("messages", Sequence.list(dicts));
    return this;
  }

  Map<String, Value> values() {
    return values;
  }
}
