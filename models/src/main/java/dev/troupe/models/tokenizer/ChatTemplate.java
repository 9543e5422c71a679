package dev.troupe.models.tokenizer;

import dev.troupe.models.checkpoint.CheckpointException;
import dev.troupe.models.tokenizer.jinja.JinjaException;
import dev.troupe.models.tokenizer.jinja.JinjaTemplate;
import dev.troupe.models.tokenizer.jinja.Rendering;
import dev.troupe.models.tokenizer.jinja.Variables;
import java.time.Clock;
import java.time.LocalDateTime;
import java.time.ZoneId;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicReference;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/**
 * A checkpoint's chat template: Jinja source that turns a dialogue into the text the model was
 * trained on, rendered as {@code transformers} renders it. What is said in a message is only ever
 * data: braces in it are not evaluated.
 */
public final class ChatTemplate {
  /**
   * A template for models without one: role marker, content and the end-of-text token, one message
   * after another.
   */
  public static final String SIMPLE =
      "{% for message in messages %}{{ '<|' + message['role'] + '|>\\n' + message['content'] + eos_token + '\\n' }}"
          + "{% endfor %}{% if add_generation_prompt %}{{ '<|assistant|>\\n' }}{% endif %}";

  /**
   * Stands in front of a special token that a message spells out, so that {@link
   * Tokenizer#encodeRendered} leaves it text. A Unicode noncharacter: no text has it.
   */
  static final String GUARD = "\ufdd0";

  private final String source;
  private final String where;
  private final Map<String, String> specialTokens;
  private final Pattern spelledOut;
  private final Clock clock;
  private final AtomicReference<JinjaTemplate> read = new AtomicReference<>();
  private final Map<String, Boolean> takesParts = new ConcurrentHashMap<>();

  /**
   * @param source the Jinja text
   * @param where its file, for errors
   * @param specialTokens variables such as {@code bos_token → <s>}
   * @param spelledOut finds special tokens in text
   */
  ChatTemplate(String source, String where, Map<String, String> specialTokens, Pattern spelledOut) {
    this(source, where, specialTokens, spelledOut, Clock.system(ZoneId.systemDefault()));
  }

  ChatTemplate(
      String source,
      String where,
      Map<String, String> specialTokens,
      Pattern spelledOut,
      Clock clock) {
    this.source = source;
    this.where = where;
    this.specialTokens = Map.copyOf(specialTokens);
    this.spelledOut = spelledOut;
    this.clock = clock;
  }

  /**
   * The dialogue as the model reads it. Special tokens that a message spells out are marked by a
   * noncharacter in front of them: {@link Tokenizer#encodeRendered} takes them for text.
   *
   * @param addGenerationPrompt whether the text ends with the opening of an assistant's message
   * @throws CheckpointException when the template is broken or refuses the dialogue, with what it
   *     says
   */
  public String render(List<ChatTurn> turns, boolean addGenerationPrompt) {
    return render(new ChatDialogue(turns), addGenerationPrompt);
  }

  /** The same with tools, documents and whatever else the template is given. */
  public String render(ChatDialogue dialogue, boolean addGenerationPrompt) {
    Rendering rendering = rendering(dialogue, addGenerationPrompt);
    return guarded(rendering, 0, rendering.text().length());
  }

  /**
   * The dialogue as {@link #render} gives it, cut where an assistant begins to speak and where its
   * turn has ended. What an assistant says begins where the generation prompt ends and goes up to
   * its end-of-turn token; a template with {@code generation} blocks says it itself.
   *
   * @throws CheckpointException as {@link #render}, and when the template does not let one tell
   *     what an assistant says
   */
  public List<RenderedPart> renderParts(List<ChatTurn> turns) {
    return renderParts(new ChatDialogue(turns));
  }

  /** The same with tools, documents and whatever else the template is given. */
  public List<RenderedPart> renderParts(ChatDialogue dialogue) {
    Rendering whole = rendering(dialogue, false);
    List<Rendering.Span> said =
        template().hasGenerationBlocks() ? joined(whole) : assistantTurns(dialogue, whole);
    List<RenderedPart> parts = new ArrayList<>();
    int at = 0;
    for (Rendering.Span span : said) {
      add(parts, whole, at, span.begin(), false);
      add(parts, whole, span.begin(), span.end(), true);
      at = span.end();
    }
    add(parts, whole, at, whole.text().length(), false);
    return parts;
  }

  /** Blocks of one message that follow each other are one. */
  private static List<Rendering.Span> joined(Rendering whole) {
    List<Rendering.Span> joined = new ArrayList<>();
    for (Rendering.Span span : whole.generated()) {
      int last = joined.size() - 1;
      if (last >= 0
          && joined.get(last).end() == span.begin()
          && message(whole, joined.get(last)) == message(whole, span)) {
        joined.set(last, new Rendering.Span(joined.get(last).begin(), span.end()));
      } else {
        joined.add(span);
      }
    }
    return joined;
  }

  private void add(
      List<RenderedPart> parts, Rendering whole, int begin, int end, boolean assistant) {
    if (begin < end) {
      String text = guarded(whole, begin, end);
      int message = message(whole, new Rendering.Span(begin, end));
      parts.add(assistant ? new RenderedPart(text, true, message) : RenderedPart.other(text));
    }
  }

  /** Which message was being written where a stretch begins, from 0; −1 for none. */
  private static int message(Rendering whole, Rendering.Span span) {
    return span.begin() < span.end() ? whole.turns()[span.begin()] - 1 : -1;
  }

  private List<Rendering.Span> assistantTurns(ChatDialogue dialogue, Rendering whole) {
    List<ChatTurn> turns = dialogue.turns();
    List<Rendering.Span> said = new ArrayList<>();
    for (int i = 0; i < turns.size(); i++) {
      if (turns.get(i).role().equals("assistant")) {
        int message = i + 1;
        Rendering.Span written = written(message, whole);
        boolean shown = Arrays.stream(whole.origins()).anyMatch(origin -> origin == message);
        if (!shown && turns.get(i).says()) {
          throw unclear("it writes nothing of what message " + message + " says");
        }
        int begin = begin(dialogue, i, whole, written);
        said.add(new Rendering.Span(begin, end(message, whole, begin, written.end())));
      }
    }
    return said;
  }

  /** Where the template writes a message: one stretch, which holds all of the message's letters. */
  private Rendering.Span written(int message, Rendering whole) {
    int[] turns = whole.turns();
    int begin = 0;
    while (begin < turns.length && turns[begin] != message) {
      begin++;
    }
    int end = turns.length;
    while (end > begin && turns[end - 1] != message) {
      end--;
    }
    boolean together = begin < end;
    for (int i = 0; i < turns.length; i++) {
      boolean inside = i >= begin && i < end;
      together &= inside ? turns[i] == message : whole.origins()[i] != message;
    }
    if (!together) {
      throw unclear(
          "it does not write message " + message + " in one pass of a loop over messages");
    }
    return new Rendering.Span(begin, end);
  }

  /** Where the assistant begins: behind what a prompt for this turn ends with. */
  private int begin(ChatDialogue dialogue, int index, Rendering whole, Rendering.Span written) {
    ChatDialogue before = dialogue.first(Math.max(1, index));
    String prompt = rendering(before, true).text();
    String text = whole.text();
    boolean same = index > 0 && text.startsWith(prompt);
    if (same && prompt.length() >= written.begin() && prompt.length() <= written.end()) {
      return prompt.length();
    }
    // Earlier turns are written otherwise when they are not the last; the opening is not.
    String opening = opening(before);
    for (int begin = written.begin(); begin <= written.end(); begin++) {
      if (text.startsWith(opening, begin - opening.length())) {
        return begin;
      }
    }
    throw unclear(
        "a generation prompt ends with '"
            + opening
            + "' and message "
            + (index + 1)
            + " is not written behind that");
  }

  /** What a prompt has and the dialogue alone has not, or what it has behind the last message. */
  private String opening(ChatDialogue before) {
    Rendering prompt = rendering(before, true);
    String text = prompt.text();
    int behind = text.length();
    while (behind > 0 && prompt.turns()[behind - 1] == 0) {
      behind--;
    }
    return text.substring(Math.min(behind, shared(text, rendering(before, false).text())));
  }

  private static int shared(String one, String other) {
    int length = 0;
    while (length < Math.min(one.length(), other.length())
        && one.charAt(length) == other.charAt(length)) {
      length++;
    }
    return length;
  }

  /** Behind the special tokens that follow the content; the whole turn when none does. */
  private int end(int message, Rendering whole, int begin, int writtenEnd) {
    int content = writtenEnd;
    while (content > begin && whole.origins()[content - 1] != message) {
      content--;
    }
    Matcher special = spelledOut.matcher(whole.text()).region(content, writtenEnd);
    if (!special.find()) {
      return writtenEnd;
    }
    int end = special.end();
    while (special.find() && special.start() == end) {
      end = special.end();
    }
    return end;
  }

  private CheckpointException unclear(String why) {
    return new CheckpointException(
        "Which tokens are the assistant's cannot be told from the chat template in "
            + where
            + ": "
            + why
            + ". Put {% generation %} and {% endgeneration %} around what the assistant says.");
  }

  private JinjaTemplate template() {
    JinjaTemplate template = read.get();
    if (template == null) {
      template = JinjaTemplate.parse(source);
      read.set(template);
    }
    return template;
  }

  private Rendering rendering(ChatDialogue dialogue, boolean addGenerationPrompt) {
    dialogue.turns().forEach(this::checkRole);
    List<ChatTurn> turns =
        dialogue.turns().stream()
            .map(turn -> turn.inParts() && !takesParts(turn.role()) ? turn.joined() : turn)
            .toList();
    return renderingOf(new ChatDialogue(turns, dialogue.variables()), addGenerationPrompt);
  }

  private Rendering renderingOf(ChatDialogue dialogue, boolean addGenerationPrompt) {
    Variables variables =
        new Variables()
            .messages(
                dialogue.turns().stream()
                    .map(ChatTurn::withReasoning)
                    .map(
                        turn ->
                            new Variables.Message(
                                turn.role(), unguarded(turn.content()), unguarded(turn.fields())))
                    .toList())
            .none("tools")
            .none("documents");
    specialTokens.forEach(variables::text);
    unguarded(dialogue.variables()).forEach(variables::given);
    variables.flag("add_generation_prompt", addGenerationPrompt);
    try {
      return template().render(variables, LocalDateTime.now(clock));
    } catch (JinjaException e) {
      String what = e.isRefusal() ? " refuses the dialogue: " : " cannot be rendered: ";
      throw new CheckpointException("The chat template in " + where + what + e.getMessage(), e);
    }
  }

  /**
   * Whether the template writes the texts of a content that is a list. Others fail, write the list
   * as Python shows it, or nothing; they are given the parts' texts as one.
   */
  private boolean takesParts(String role) {
    return takesParts.computeIfAbsent(role, this::writesParts);
  }

  private boolean writesParts(String role) {
    String text = "Part-of-a-content";
    ChatTurn turn =
        new ChatTurn(role, text, Map.of("content", List.of(Map.of("type", "text", "text", text))));
    ChatTurn user = new ChatTurn("user", "Hi");
    List<ChatTurn> turns =
        switch (role) {
          case "user" -> List.of(turn);
          case "system", "developer" -> List.of(turn, user);
          case "assistant" -> List.of(user, turn);
          default -> List.of(user, new ChatTurn("assistant", "Ho"), turn);
        };
    try {
      String written = renderingOf(new ChatDialogue(turns), false).text();
      return written.contains(text)
          && !written.contains("'" + text)
          && !written.contains('"' + text);
    } catch (CheckpointException e) {
      return false;
    }
  }

  /** Data without the mark, whose only meaning is ours. */
  private static String unguarded(String text) {
    return text.replace(GUARD, "");
  }

  private static Map<String, @Nullable Object> unguarded(Map<?, ?> map) {
    Map<String, @Nullable Object> all = new LinkedHashMap<>();
    map.forEach((key, value) -> all.put(unguarded(String.valueOf(key)), unguarded(value)));
    return all;
  }

  private static @Nullable Object unguarded(@Nullable Object value) {
    if (value instanceof String text) {
      return unguarded(text);
    }
    if (value instanceof Map<?, ?> map) {
      return unguarded(map);
    }
    if (value instanceof List<?> list) {
      List<@Nullable Object> all = new ArrayList<>();
      list.forEach(item -> all.add(unguarded(item)));
      return all;
    }
    return value;
  }

  private void checkRole(ChatTurn turn) {
    if (spelledOut.matcher(turn.role()).find()) {
      throw new CheckpointException(
          "A message has the role '"
              + turn.role()
              + "', which spells out a special token; a role is a word such as user.");
    }
  }

  /** Part of the text, with a mark before each special token of which the data said a letter. */
  private String guarded(Rendering rendering, int begin, int end) {
    StringBuilder guarded = new StringBuilder();
    Matcher special = spelledOut.matcher(rendering.text()).region(begin, end);
    int at = begin;
    while (special.find()) {
      boolean said = false;
      for (int i = special.start(); i < special.end(); i++) {
        said |= rendering.origins()[i] != 0;
      }
      if (said) {
        guarded.append(rendering.text(), at, special.start()).append(GUARD);
        at = special.start();
      }
    }
    return guarded.append(rendering.text(), at, end).toString();
  }

  /** The Jinja text. */
  public String source() {
    return source;
  }

  /** Its file, for messages. */
  public String where() {
    return where;
  }
}
