package dev.troupe.rlhf.data;

import dev.troupe.rlhf.port.Conversation;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;

/**
 * What an environment adds to the prompts that are answered in it.
 *
 * @param tools that it offers; empty for none beside those of the data
 * @param refusal why later turns of an episode cannot be written with what a prompt gives the chat
 *     template beside tools; empty where they can
 */
record Offered(
    List<Map<String, @Nullable Object>> tools,
    Function<Map<String, @Nullable Object>, Optional<String>> refusal) {

  /**
   * A prompt with the tools, for the chat template.
   *
   * @throws DataException when later turns could not be written as it is
   */
  PromptText.Chat to(PromptText asked, DataConfig.Format format, Origin origin) {
    if (!(asked instanceof PromptText.Chat) && format != DataConfig.Format.CHAT) {
      throw DataException.at(
          origin,
          "is plain text and is to be answered in an environment, whose turns the chat template"
              + " writes; set data.format = chat, which writes all data by it");
    }
    Conversation turns = Segments.turns(asked);
    Map<String, @Nullable Object> others = variables(turns);
    Optional<String> why = others.isEmpty() ? Optional.empty() : refusal.apply(others);
    if (why.isPresent()) {
      throw DataException.at(
          origin,
          "gives the chat template "
              + String.join(", ", others.keySet())
              + " (documents or chat_template_kwargs), with which it does not write what follows a"
              + " turn of an episode: "
              + why.get()
              + "; name the field in the source's ignore");
    }
    if (tools.isEmpty()) {
      return new PromptText.Chat(turns);
    }
    Map<String, @Nullable Object> variables = new LinkedHashMap<>(turns.variables());
    Object own = variables.put("tools", tools);
    if (own != null && !own.equals(tools)) {
      throw DataException.at(
          origin,
          "has tools of its own, and the environment offers others; name its field in the source's"
              + " ignore");
    }
    return new PromptText.Chat(new Conversation(turns.messages(), variables));
  }

  /** What a prompt gives the template beside tools. */
  static Map<String, @Nullable Object> variables(Conversation turns) {
    Map<String, @Nullable Object> others = new LinkedHashMap<>(turns.variables());
    others.remove("tools");
    return others;
  }
}
