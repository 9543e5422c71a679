package dev.troupe.rlhf.data;

import dev.troupe.protocol.data.ChatMessage;
import dev.troupe.rlhf.port.Conversation;
import dev.troupe.rlhf.port.Text;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import org.jspecify.annotations.Nullable;

/** What a chat template was given and wrote nothing of. */
final class UnwrittenFields {
  private final Text text;
  private final Map<String, Count> unwritten = new TreeMap<>();

  UnwrittenFields(Text text) {
    this.text = text;
  }

  /** In how many records, by the field's name. */
  Map<String, Integer> records() {
    Map<String, Integer> counts = new TreeMap<>();
    unwritten.forEach((field, count) -> counts.put(field, count.records));
    return counts;
  }

  void count(Conversation conversation, Origin origin) {
    count(conversation, 0, origin);
  }

  /**
   * Counts the fields without which the template writes the same: of the variables, and of the
   * turns from a given one on.
   */
  void count(Conversation conversation, int from, Origin origin) {
    Set<String> fields = new TreeSet<>();
    List<ChatMessage> messages = conversation.messages();
    messages.subList(from, messages.size()).forEach(turn -> fields.addAll(turn.fields().keySet()));
    fields.remove("content");
    Set<String> variables = from == 0 ? conversation.variables().keySet() : Set.of();
    if (fields.isEmpty() && variables.isEmpty()) {
      return;
    }
    for (String field : fields) {
      if (writesTheSame(conversation, conversation.withoutField(field))) {
        unwritten.computeIfAbsent(field + " of a turn", name -> new Count()).add(origin);
      }
    }
    for (String variable : variables) {
      if (writesTheSame(conversation, conversation.withoutVariable(variable))) {
        unwritten.computeIfAbsent(variable, name -> new Count()).add(origin);
      }
    }
  }

  /** Counts records, each once however often it is met in a row. */
  private static final class Count {
    private int records;
    private @Nullable Origin last;

    private void add(Origin origin) {
      records += origin.equals(last) ? 0 : 1;
      last = origin;
    }
  }

  private boolean writesTheSame(Conversation whole, Conversation without) {
    try {
      return text.render(without, false).equals(text.render(whole, false))
          && text.render(without, true).equals(text.render(whole, true));
    } catch (RuntimeException e) { // a template that needs the field uses it
      return false;
    }
  }
}
