package dev.troupe.models.tokenizer;

import com.hubspot.jinjava.Jinjava;
import com.hubspot.jinjava.JinjavaConfig;
import com.hubspot.jinjava.LegacyOverrides;
import com.hubspot.jinjava.interpret.RenderResult;
import com.hubspot.jinjava.interpret.TemplateError;
import com.hubspot.jinjava.lib.fn.ELFunctionDefinition;
import dev.troupe.models.checkpoint.CheckpointException;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;

/**
 * A checkpoint's chat template: Jinja source that turns a dialogue into the text the model was
 * trained on, rendered with the settings, functions and Python string methods that templates
 * written for {@code transformers} expect. What is said in a message is only ever data: braces in
 * it are not evaluated.
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

  private static final Pattern ANY_TAG =
      Pattern.compile("\\{\\{.*?\\}\\}|\\{%.*?%\\}|\\{#.*?#\\}", Pattern.DOTALL);
  private static final Pattern TAG =
      Pattern.compile("\\{\\{(.*?)\\}\\}|\\{%(.*?)%\\}", Pattern.DOTALL);
  private static final Pattern LITERAL =
      Pattern.compile("'(?:[^'\\\\]|\\\\.)*'|\"(?:[^\"\\\\]|\\\\.)*\"", Pattern.DOTALL);
  private static final Pattern FILTERED_LOOP =
      Pattern.compile("^[-+]?\\s*for\\s.*\\sif\\s(?!.*\\selse\\s)", Pattern.DOTALL);
  private static final Pattern FILTER = Pattern.compile("\\|\\s*([A-Za-z_]\\w*)");

  private static final Jinjava JINJA = jinja();

  private final String source;
  private final String trimmed;
  private final String where;
  private final Map<String, String> specialTokens;
  private final Pattern spelledOut;

  /**
   * @param source the Jinja text
   * @param where its file, for errors
   * @param specialTokens variables such as {@code bos_token → <s>}
   * @param spelledOut finds special tokens in text
   */
  ChatTemplate(String source, String where, Map<String, String> specialTokens, Pattern spelledOut) {
    this.spelledOut = spelledOut;
    this.source = source;
    this.trimmed = trimmed(source);
    this.where = where;
    this.specialTokens = Map.copyOf(specialTokens);
  }

  private static Jinjava jinja() {
    JinjavaConfig config =
        JinjavaConfig.newBuilder()
            // Without this, braces in a user's message would be run as template code.
            .withNestedInterpretationEnabled(false)
            .withMaxOutputSize(0)
            .withElResolver(PythonMethods.resolver())
            .withLegacyOverrides(
                LegacyOverrides.newBuilder()
                    .withEvaluateMapKeys(true)
                    .withIterateOverMapKeys(true)
                    .withUsePyishObjectMapper(true)
                    .withUseNaturalOperatorPrecedence(true)
                    .withParseWhitespaceControlStrictly(true)
                    .withAllowAdjacentTextNodes(true)
                    .withUseTrimmingForNotesAndExpressions(true)
                    .withKeepNullableLoopValues(true)
                    .build())
            .build();
    Jinjava jinja = new Jinjava(config);
    jinja
        .getGlobalContext()
        .registerFunction(
            new ELFunctionDefinition(
                "", "raise_exception", TemplateFunctions.class, "raiseException", String.class));
    jinja
        .getGlobalContext()
        .registerFunction(
            new ELFunctionDefinition(
                "", "strftime_now", TemplateFunctions.class, "strftimeNow", String.class));
    jinja.getGlobalContext().registerFilter(new ToJsonFilter());
    return jinja;
  }

  /**
   * Applies Jinja's {@code trim_blocks} and {@code lstrip_blocks}, which {@code transformers} sets:
   * a block or comment takes the blanks before it, when it starts its line, and the line end after
   * it. Jinjava's own settings also take blanks in the middle of a line.
   */
  private static String trimmed(String source) {
    // Jinja also drops one line end at the end of a template.
    String text = source.endsWith("\n") ? source.substring(0, source.length() - 1) : source;
    StringBuilder trimmed = new StringBuilder();
    Matcher tags = ANY_TAG.matcher(text);
    int at = 0;
    boolean afterBlock = false;
    while (tags.find()) {
      String tag = tags.group();
      boolean block = !tag.startsWith("{{");
      String between = text.substring(at, tags.start());
      if (block && tag.charAt(2) != '+') {
        String kept = between.replaceFirst("[ \t]+$", "");
        if (kept.endsWith("\n") || (kept.isEmpty() && at == 0)) {
          between = kept;
        }
      }
      trimmed
          .append(afterBlock && between.startsWith("\n") ? between.substring(1) : between)
          .append(tag);
      afterBlock = block && tag.charAt(tag.length() - 3) != '+';
      at = tags.end();
    }
    String rest = text.substring(at);
    return trimmed
        .append(afterBlock && rest.startsWith("\n") ? rest.substring(1) : rest)
        .toString();
  }

  /** Refuses what Jinjava would pass over in silence and so render to another text. */
  private static void refuseUnsupported(String source, String where) {
    Matcher tags = TAG.matcher(source);
    while (tags.find()) {
      String tag = LITERAL.matcher(tags.group().substring(2)).replaceAll("''");
      String problem = null;
      if (FILTERED_LOOP.matcher(tag).find()) {
        problem = "a loop with a condition is not supported; put an {% if %} inside of the loop";
      }
      Matcher filters = FILTER.matcher(tag);
      while (filters.find()) {
        if (JINJA.getGlobalContext().getFilter(filters.group(1)) == null) {
          problem = "the filter '" + filters.group(1) + "' is not known";
        }
      }
      if (problem != null) {
        long line = source.substring(0, tags.start()).lines().count();
        throw new CheckpointException(
            "The chat template in "
                + where
                + " cannot be rendered: line "
                + Math.max(1, line)
                + ": "
                + problem
                + ".");
      }
    }
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
    refuseUnsupported(source, where);
    Map<String, Object> variables = new LinkedHashMap<>(specialTokens);
    variables.put(
        "messages",
        turns.stream()
            .map(
                turn -> {
                  Map<String, Object> message = new LinkedHashMap<>();
                  message.put("role", guarded(turn.role()));
                  message.put("content", guarded(turn.content()));
                  return message;
                })
            .toList());
    variables.put("add_generation_prompt", addGenerationPrompt);
    RenderResult result = JINJA.renderForResult(trimmed, variables);
    List<TemplateError> errors = result.getErrors();
    if (!errors.isEmpty()) {
      throw failure(errors);
    }
    return result.getOutput();
  }

  private String guarded(String text) {
    return spelledOut.matcher(text.replace(GUARD, "")).replaceAll(GUARD + "$0");
  }

  private CheckpointException failure(List<TemplateError> errors) {
    for (TemplateError error : errors) {
      for (Throwable cause = error.getException(); cause != null; cause = cause.getCause()) {
        if (cause instanceof TemplateFunctions.Refusal refusal) {
          return new CheckpointException(
              "The chat template in " + where + " refuses the dialogue: " + refusal.getMessage(),
              refusal);
        }
      }
    }
    return new CheckpointException(
        "The chat template in "
            + where
            + " cannot be rendered: "
            + errors.stream()
                .map(error -> "line " + error.getLineno() + ": " + error.getMessage())
                .collect(Collectors.joining("; ")),
        errors.get(0).getException());
  }

  /** The Jinja text. */
  public String source() {
    return source;
  }
}
