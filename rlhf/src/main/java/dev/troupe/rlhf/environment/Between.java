package dev.troupe.rlhf.environment;

import dev.troupe.protocol.data.ChatMessage;
import dev.troupe.protocol.data.FinishReason;
import dev.troupe.protocol.data.TokenIds;
import dev.troupe.rlhf.port.Conversation;
import dev.troupe.rlhf.port.Environment.ToolCall;
import dev.troupe.rlhf.port.EnvironmentException;
import dev.troupe.rlhf.port.Text;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;

/**
 * The tokens between two turns of the policy: what the environment says, as the chat template
 * writes it behind an assistant's turn, and the opening of the next. What was sampled is never
 * tokenized again: a dummy turn stands in its place, and is cut off where it ends (TRL,
 * _get_tool_suffix_ids; there the dummy is rendered with and without what follows, here once where
 * the template tells what an assistant says, since some, such as Qwen3's, write a turn otherwise
 * when it is the last).
 */
final class Between {
  private static final String DUMMY = "dummy";
  private static final Pattern CALL_ID = Pattern.compile("[A-Za-z0-9]{9}");

  private final Text text;
  private final Map<String, @Nullable Object> variables;

  /**
   * @param tools offered by the environment
   * @param others what a prompt gives the template beside
   */
  Between(
      Text text, List<Map<String, @Nullable Object>> tools, Map<String, @Nullable Object> others) {
    this.text = text;
    Map<String, @Nullable Object> all = new LinkedHashMap<>(others);
    if (!tools.isEmpty()) {
      all.put("tools", tools);
    }
    this.variables = all;
  }

  /**
   * What follows a turn.
   *
   * @param calls of that turn, which the tool messages among {@code messages} answer
   * @param last token sampled in it
   * @param finish why it ended; where a stop string cut it, its end token comes first
   * @throws RuntimeException as the template refuses
   */
  TokenIds after(List<ToolCall> calls, List<ChatMessage> messages, int last, FinishReason finish) {
    Cut cut = cut(calls, messages);
    boolean ended = text.endTokens().contains(last);
    TokenIds suffix = cut.suffix();
    if (ended && suffix.size() > 0 && suffix.get(0) == last) {
      // Roles that end the turn before them, as GLM's, are rendered with the next turn.
      return from(suffix, 1);
    }
    return !ended && finish == FinishReason.STOP && cut.closed()
        ? TokenIds.of(cut.end()).concat(suffix)
        : suffix;
  }

  /**
   * A prompt with what there is to see at first.
   *
   * @throws RuntimeException as the template refuses, or when the prompt is not one that it wrote
   */
  TokenIds before(TokenIds prompt, List<ChatMessage> messages) {
    Conversation alone = new Conversation(List.of(user()), variables);
    String opened = text.render(alone, true);
    String rendered = text.render(alone, false);
    List<ChatMessage> all = new ArrayList<>(alone.messages());
    all.addAll(messages);
    String whole = text.render(new Conversation(all, variables), true);
    if (!opened.startsWith(rendered) || !whole.startsWith(rendered)) {
      throw new EnvironmentException(
          text.chatTemplateName() + " writes a prompt otherwise when more follows it");
    }
    TokenIds start = text.encodeRendered(rendered);
    TokenIds opening = behind(start, text.encodeRendered(opened));
    int kept = prompt.size() - opening.size();
    if (kept < 1 || !from(prompt, kept).equals(opening)) {
      throw new EnvironmentException(
          "the prompt does not end as " + text.chatTemplateName() + " ends one");
    }
    return new TokenIds(Arrays.copyOf(prompt.values(), kept))
        .concat(behind(start, text.encodeRendered(whole)));
  }

  /**
   * That the template writes what the environment needs.
   *
   * @param section of the configuration, for the message
   * @throws EnvironmentException when it does not
   */
  void check(String section, List<Map<String, @Nullable Object>> tools) {
    if (!text.hasChatTemplate()) {
      throw new EnvironmentException(
          section
              + ": episodes are written by a chat template, and the model brings none"
              + " (chat_template in tokenizer_config.json, or chat_template.jinja); take a model"
              + " that has one");
    }
    if (tools.isEmpty()) {
      checkUser(section);
      return;
    }
    List<String> names = tools.stream().map(Between::name).toList();
    String name = names.get(0);
    String answer = "result-of-" + DUMMY;
    try {
      String prompt = text.render(new Conversation(List.of(user()), variables), true);
      refuse(section, names, names.stream().allMatch(prompt::contains), "writes nothing of them");
      List<ToolCall> calls = List.of(new ToolCall(callId(1), name, Map.of()));
      String dialogue = text.render(dialogue(calls, List.of(tool(answer, calls.get(0)))), true);
      refuse(section, names, dialogue.contains(answer), "writes nothing of what a tool answers");
      after(calls, List.of(tool(answer, calls.get(0))), text.endOfSequence(), FinishReason.EOS);
    } catch (EnvironmentException e) {
      throw e;
    } catch (RuntimeException e) {
      refuse(section, names, false, "can't write a call and its answer: " + e.getMessage());
    }
  }

  /** Without tools it is the user who answers. */
  private void checkUser(String section) {
    try {
      List<ChatMessage> more = List.of(new ChatMessage("user", DUMMY));
      after(List.of(), more, text.endOfSequence(), FinishReason.EOS);
    } catch (RuntimeException e) {
      throw new EnvironmentException(
          section
              + " speaks as the user after the policy's turns, and what is to be written then can't"
              + " be told: "
              + e.getMessage(),
          e);
    }
  }

  private void refuse(String section, List<String> tools, boolean supported, String why) {
    if (!supported) {
      throw new EnvironmentException(
          section
              + " offers the tools "
              + tools
              + ", and "
              + text.chatTemplateName()
              + " "
              + why
              + "; take a model whose template supports tools");
    }
  }

  /** The name of a tool offered. */
  static String name(Map<String, @Nullable Object> tool) {
    return tool.get("function") instanceof Map<?, ?> function
        ? String.valueOf(function.get("name"))
        : String.valueOf(tool.get("name"));
  }

  /** Of nine letters and digits, as Mistral's templates demand. */
  static String callId(int number) {
    return String.format(java.util.Locale.ROOT, "call%05d", number);
  }

  static boolean isCallId(String id) {
    return CALL_ID.matcher(id).matches();
  }

  /** Whether the template writes several calls in one turn; Llama 3's refuses. */
  boolean writesSeveralCalls(String tool) {
    List<ToolCall> two =
        List.of(new ToolCall(callId(1), tool, Map.of()), new ToolCall(callId(2), tool, Map.of()));
    List<ChatMessage> answers = two.stream().map(call -> tool(DUMMY, call)).toList();
    try {
      cut(two, answers);
      return true;
    } catch (RuntimeException e) {
      return false;
    }
  }

  /** A tool's answer, with the fields that templates look for. */
  static ChatMessage tool(String content, ToolCall call) {
    return new ChatMessage("tool", content, Map.of("name", call.name(), "tool_call_id", call.id()));
  }

  private static ChatMessage user() {
    return new ChatMessage("user", DUMMY);
  }

  /**
   * Where the dummy turn ends and what follows.
   *
   * @param end token that the turn ends with
   * @param closed whether that is an end token
   */
  private record Cut(TokenIds suffix, int end, boolean closed) {}

  private Cut cut(List<ToolCall> calls, List<ChatMessage> messages) {
    Conversation dialogue = dialogue(calls, messages);
    String opened = text.render(dialogue, true);
    TokenIds whole = text.encodeRendered(opened);
    List<Text.Part> parts;
    try {
      parts = text.renderParts(dialogue);
    } catch (RuntimeException e) { // where templates do not tell what an assistant says
      return cutByPrefix(dialogue, whole);
    }
    int said = -1;
    for (int i = 0; i < parts.size(); i++) {
      if (parts.get(i).said() && (parts.get(i).turn() == 1 || said < 0)) {
        said = i;
      }
    }
    if (said < 0) {
      return cutByPrefix(dialogue, whole);
    }
    String head = joined(parts.subList(0, said + 1));
    if (!opened.startsWith(head + joined(parts.subList(said + 1, parts.size())))) {
      throw new EnvironmentException(
          text.chatTemplateName() + " writes a dialogue otherwise when a turn is to follow");
    }
    return cut(
        text.encodeRendered(joined(parts.subList(0, said))).size(),
        text.encodeRendered(head),
        whole);
  }

  /** The dummy turn rendered as the last one, which must be written so when more follows it. */
  private Cut cutByPrefix(Conversation dialogue, TokenIds whole) {
    int asked = text.encodeRendered(text.render(dialogue.first(1), false)).size();
    return cut(asked, text.encodeRendered(text.render(dialogue.first(2), false)), whole);
  }

  /**
   * Behind the turn's last end token, since what a template writes behind that is not sampled; or
   * behind the turn, where it has none.
   *
   * @param from where the turn begins
   * @param turn up to its end
   */
  private Cut cut(int from, TokenIds turn, TokenIds whole) {
    int end = turn.size() - 1;
    while (end >= from && !text.endTokens().contains(turn.get(end))) {
      end--;
    }
    boolean closed = end >= from;
    TokenIds kept = closed ? new TokenIds(Arrays.copyOf(turn.values(), end + 1)) : turn;
    return new Cut(behind(kept, whole), kept.get(kept.size() - 1), closed);
  }

  private Conversation dialogue(List<ToolCall> calls, List<ChatMessage> messages) {
    List<ChatMessage> turns = new ArrayList<>();
    turns.add(user());
    if (calls.isEmpty()) {
      turns.add(new ChatMessage("assistant", DUMMY));
    } else {
      turns.add(new ChatMessage("assistant", "", Map.of("tool_calls", written(calls))));
    }
    turns.addAll(messages);
    return new Conversation(turns, variables);
  }

  private static List<Map<String, @Nullable Object>> written(List<ToolCall> calls) {
    List<Map<String, @Nullable Object>> written = new ArrayList<>();
    for (ToolCall call : calls) {
      Map<String, @Nullable Object> function = new LinkedHashMap<>();
      function.put("name", call.name());
      function.put("arguments", Map.of());
      Map<String, @Nullable Object> one = new LinkedHashMap<>();
      one.put("id", call.id());
      one.put("type", "function");
      one.put("function", function);
      written.add(one);
    }
    return written;
  }

  private static String joined(List<Text.Part> parts) {
    return parts.stream().map(Text.Part::text).collect(Collectors.joining());
  }

  private TokenIds behind(TokenIds start, TokenIds whole) {
    int size = start.size();
    if (size > whole.size() || !new TokenIds(Arrays.copyOf(whole.values(), size)).equals(start)) {
      throw new EnvironmentException(
          "the tokens of "
              + text.chatTemplateName()
              + " at the end of a turn depend on what follows it; take a template that ends turns"
              + " with a special token");
    }
    return from(whole, size);
  }

  private static TokenIds from(TokenIds tokens, int start) {
    return new TokenIds(Arrays.copyOfRange(tokens.values(), start, tokens.size()));
  }
}
