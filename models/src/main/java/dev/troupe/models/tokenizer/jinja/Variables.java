package dev.troupe.models.tokenizer.jinja;

import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

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

  /**
   * A message of a dialogue.
   *
   * @param content text whose letters keep the message's number as their origin
   */
  public record Message(String role, String content) {}

  /** The list {@code messages}, whose messages are numbered from 1. */
  public Variables messages(List<Message> messages) {
    List<Value> dicts = new ArrayList<>();
    for (Message message : messages) {
      int number = dicts.size() + 1;
      Dict dict = new Dict(number);
      dict.put(Text.of("role"), Text.of(message.role()));
      dict.put(Text.of("content"), Text.of(message.content(), number));
      dicts.add(dict);
    }
    values.put("messages", Sequence.list(dicts));
    return this;
  }

  Map<String, Value> values() {
    return values;
  }
}
