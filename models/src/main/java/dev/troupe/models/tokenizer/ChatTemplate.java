package dev.troupe.models.tokenizer;

import dev.troupe.models.checkpoint.CheckpointException;
import dev.troupe.models.tokenizer.jinja.JinjaException;
import dev.troupe.models.tokenizer.jinja.JinjaTemplate;
import dev.troupe.models.tokenizer.jinja.Rendering;
import dev.troupe.models.tokenizer.jinja.Variables;
import java.time.Clock;
import java.time.LocalDateTime;
import java.time.ZoneId;
import java.util.List;
import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

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
    return guarded(rendering(turns, addGenerationPrompt));
  }

  private Rendering rendering(List<ChatTurn> turns, boolean addGenerationPrompt) {
    turns.forEach(this::checkRole);
    Variables variables =
        new Variables()
            .messages(
                turns.stream()
                    .map(t -> new Variables.Message(t.role(), t.content().replace(GUARD, "")))
                    .toList())
            .flag("add_generation_prompt", addGenerationPrompt)
            .none("tools")
            .none("documents");
    specialTokens.forEach(variables::text);
    try {
      return JinjaTemplate.parse(source).render(variables, LocalDateTime.now(clock));
    } catch (JinjaException e) {
      String what = e.isRefusal() ? " refuses the dialogue: " : " cannot be rendered: ";
      throw new CheckpointException("The chat template in " + where + what + e.getMessage(), e);
    }
  }

  private void checkRole(ChatTurn turn) {
    if (spelledOut.matcher(turn.role()).find()) {
      throw new CheckpointException(
          "A message has the role '"
              + turn.role()
              + "', which spells out a special token; a role is a word such as user.");
    }
  }

  /** The text, with a mark before each special token of which a message said a letter. */
  private String guarded(Rendering rendering) {
    String text = rendering.text();
    StringBuilder guarded = new StringBuilder();
    Matcher special = spelledOut.matcher(text);
    int at = 0;
    while (special.find()) {
      boolean said = false;
      for (int i = special.start(); i < special.end(); i++) {
        said |= rendering.origins()[i] > 0;
      }
      if (said) {
        guarded.append(text, at, special.start()).append(GUARD);
        at = special.start();
      }
    }
    return guarded.append(text, at, text.length()).toString();
  }

  /** The Jinja text. */
  public String source() {
    return source;
  }
}
