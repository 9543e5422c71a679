package dev.troupe.models.tokenizer;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.troupe.models.checkpoint.CheckpointException;
import dev.troupe.models.tokenizer.expression.Backtracking;
import dev.troupe.models.tokenizer.expression.ExpressionException;
import java.text.Normalizer;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/**
 * What the tokenizers library ends the process over, looked for beforehand in a {@code
 * tokenizer.json}: it is written in Rust, and where it panics no exception comes back. Refused are
 * the parameters that it was found to panic over; expressions that make too much work are refused,
 * or bound the length of a text.
 */
final class SoundTokenizer {
  /**
   * Letters of the longest text, whatever the tokenizer: its encoding takes some hundred bytes for
   * a token, outside of the heap.
   */
  private static final int LONGEST_TEXT = 4 << 20;

  /** An expression that is safe only for shorter texts than this is refused. */
  private static final int LEAST_TEXT = 1000;

  private static final int LEAST_DECODED = 1_000_000;

  private static final int LONGEST_TOKEN = 10_000;

  /** How GPT-2 splits a text; built into the library. */
  private static final String GPT2_WORDS =
      "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+";

  private final String where;

  /** By what factor the components so far may lengthen a text. */
  private double growth = 1;

  private double longestText = LONGEST_TEXT;

  /** What a text is brought into first, where nothing comes before it. */
  private Optional<Normalizer.Form> form = Optional.empty();

  private double longestForm = LONGEST_TEXT;

  private SoundTokenizer(String where) {
    this.where = where;
  }

  /**
   * Checks the whole file.
   *
   * @return how long a text may be
   * @throws CheckpointException when no text is safe
   */
  static TextBound bound(ObjectNode json, String where) {
    SoundTokenizer sound = new SoundTokenizer(where);
    List<JsonNode> normalizers = sound.parts(json, "normalizer", "normalizers");
    int forms = sound.leadingForms(normalizers);
    normalizers.subList(forms, normalizers.size()).forEach(sound::normalizer);
    sound.addedTokens(json, normalizers);
    sound.parts(json, "pre_tokenizer", "pretokenizers").forEach(sound::preTokenizer);
    sound.parts(json, "post_processor", "processors").forEach(sound::postProcessor);
    sound.parts(json, "decoder", "decoders").forEach(sound::decoder);
    sound.model(json.path("model"));
    return new TextBound((int) sound.longestText, sound.form, (int) sound.longestForm);
  }

  /**
   * Unicode's forms at the beginning count by what they make of a text, not by the most that they
   * might. One after another makes no more of it than the one that decomposes most.
   *
   * @return how many there are
   */
  private int leadingForms(List<JsonNode> normalizers) {
    int forms = 0;
    for (JsonNode part : normalizers) {
      String type = part.path("type").asText();
      if (type.equals("NFKC") || type.equals("NFKD")) {
        form = Optional.of(Normalizer.Form.NFKD);
      } else if (type.equals("NFC") || type.equals("NFD")) {
        form = Optional.of(form.orElse(Normalizer.Form.NFD));
      } else {
        break;
      }
      forms++;
    }
    return forms;
  }

  /** A component, or those of a sequence; each by its type, which the library may else guess. */
  private List<JsonNode> parts(ObjectNode json, String name, String ofSequence) {
    List<JsonNode> parts = new ArrayList<>();
    collect(json.path(name), name, ofSequence, parts);
    return parts;
  }

  private void collect(JsonNode node, String name, String ofSequence, List<JsonNode> parts) {
    if (node.isMissingNode() || node.isNull()) {
      return;
    }
    if (!node.path("type").isTextual()) {
      throw refused(name, "has no type", "name its type");
    }
    if (!node.path("type").asText().equals("Sequence")) {
      parts.add(node);
      return;
    }
    for (JsonNode part : node.path(ofSequence)) {
      collect(part, name, ofSequence, parts);
    }
  }

  private void normalizer(JsonNode part) {
    switch (part.path("type").asText()) {
      case "Replace" -> {
        JsonNode pattern = part.path("pattern");
        expression("normalizer", pattern);
        boolean empty =
            pattern.has("Regex")
                ? Backtracking.matchesNothing(pattern.path("Regex").asText())
                : pattern.path("String").asText().isEmpty();
        if (empty) {
          throw refused(
              "normalizer", "replaces what may be empty", "let its pattern take a letter");
        }
        int least =
            pattern.has("Regex") ? 1 : Math.max(1, pattern.path("String").asText().length());
        growth *= Math.max(1, part.path("content").asText().length() / (double) least);
      }
      case "Prepend" -> {
        if (part.path("prepend").asText().isEmpty()) {
          throw refused("normalizer", "prepends nothing", "leave the Prepend out");
        }
      }
      case "Precompiled" -> {
        CharacterMap.check(part.path("precompiled_charsmap"), where);
        growth *= CharacterMap.MOST_LETTERS;
      }
      case "NFKC", "NFKD" -> growth *= TextBound.MOST_COMPATIBLE;
      case "NFC", "NFD", "ByteLevel" -> growth *= TextBound.MOST_CANONICAL;
      case "Lowercase", "BertNormalizer" -> growth *= 3;
      default -> {
        // Takes away or leaves as it is.
      }
    }
  }

  /** One whose normal form is empty is found everywhere. */
  private void addedTokens(ObjectNode json, List<JsonNode> normalizers) {
    for (JsonNode token : json.path("added_tokens")) {
      String content = token.path("content").asText();
      if (content.length() > LONGEST_TOKEN) {
        throw refused(
            "added_tokens",
            "has a token of " + content.length() + " letters",
            "at most " + LONGEST_TOKEN + " are taken");
      }
      if (token.path("normalized").asBoolean() && vanishes(content, normalizers)) {
        throw refused(
            "added_tokens",
            "has '" + content + "', of which the normalizer may leave nothing",
            "set its normalized to false");
      }
    }
  }

  private static boolean vanishes(String content, List<JsonNode> normalizers) {
    String left = content;
    for (JsonNode part : normalizers) {
      String type = part.path("type").asText();
      if (type.equals("Replace") && part.path("pattern").has("String")) {
        left =
            left.replace(
                part.path("pattern").path("String").asText(), part.path("content").asText());
      } else if (type.equals("Replace") && part.path("content").asText().isEmpty()) {
        return true;
      } else if (List.of("Strip", "StripAccents", "Nmt", "BertNormalizer", "Precompiled")
          .contains(type)) {
        left = left.replaceAll("[\\p{Z}\\p{C}\\p{M}\\s]+", "");
      }
    }
    return left.isEmpty() && !content.isEmpty();
  }

  private void preTokenizer(JsonNode part) {
    switch (part.path("type").asText()) {
      case "Split" -> expression("pre_tokenizer", part.path("pattern"));
      case "ByteLevel" -> {
        if (part.path("use_regex").asBoolean(true)) {
          bound("pre_tokenizer", GPT2_WORDS);
        }
        growth *= 4; // a letter of four bytes becomes four letters
      }
      case "FixedLength" -> {
        if (part.path("length").asLong(1) < 1) {
          throw refused("pre_tokenizer", "splits after 0 letters", "set its length to 1 or more");
        }
      }
      default -> {
        // Splits by classes of letters.
      }
    }
  }

  private void expression(String component, JsonNode pattern) {
    if (pattern.has("Regex")) {
      bound(component, pattern.path("Regex").asText());
    }
  }

  private void bound(String component, String expression) {
    double grown = longest(component, expression) / growth;
    if (form.isPresent()) {
      longestForm = Math.min(longestForm, grown);
    } else {
      longestText = Math.min(longestText, grown);
    }
  }

  private int longest(String component, String expression) {
    int longest;
    try {
      longest = Backtracking.longestText(expression);
    } catch (ExpressionException e) {
      throw refused(
          component,
          "has the expression " + shown(expression) + ", which cannot be judged: " + e.getMessage(),
          "say it without that");
    }
    if (longest < LEAST_TEXT) {
      throw refused(
          component,
          "has the expression "
              + shown(expression)
              + ", which may try so many ways that a text of "
              + (longest + 1)
              + " letters ends the process",
          "say it without loops within loops or one behind another over the same letters");
    }
    return longest;
  }

  private void postProcessor(JsonNode part) {
    if (!part.path("type").asText().equals("TemplateProcessing")) {
      return;
    }
    for (JsonNode piece : part.path("single")) {
      String special = piece.path("SpecialToken").path("id").asText();
      if (piece.has("SpecialToken") && !part.path("special_tokens").has(special)) {
        throw refused(
            "post_processor",
            "puts '" + special + "' around a text, which is none of its special_tokens",
            "add it there");
      }
      if (piece.path("Sequence").path("id").asText("A").equals("B")) {
        throw refused(
            "post_processor", "names a second text in the template of a single one", "name A");
      }
    }
  }

  private void decoder(JsonNode part) {
    switch (part.path("type").asText()) {
      case "Strip" -> {
        if (part.path("stop").asLong() != 0) {
          throw refused(
              "decoder", "strips letters from the end of tokens", "set the Strip's stop to 0");
        }
      }
      case "Replace" -> {
        // What is decoded has no bound of ours; a context's worth of text must be safe.
        if (part.path("pattern").has("Regex")) {
          int longest = longest("decoder", part.path("pattern").path("Regex").asText());
          if (longest < LEAST_DECODED) {
            throw refused(
                "decoder",
                "has an expression that is safe only for " + longest + " letters",
                "say it without loops one behind another over the same letters");
          }
        }
      }
      default -> {
        // Nothing that depends on parameters.
      }
    }
  }

  private void model(JsonNode model) {
    if (model.path("dropout").asDouble() != 0) {
      throw refused(
          "model",
          "has dropout " + model.path("dropout") + ", by which a text has other tokens each time",
          "set it to null");
    }
    String prefix = model.path("continuing_subword_prefix").asText("");
    if (prefix.isEmpty()) {
      return;
    }
    for (JsonNode merge : model.path("merges")) {
      String right =
          merge.isArray()
              ? merge.path(1).asText()
              : merge.asText().substring(merge.asText().indexOf(' ') + 1);
      if (!right.startsWith(prefix)) {
        throw refused(
            "model",
            "merges '" + right + "', which lacks the continuing_subword_prefix '" + prefix + "'",
            "mend merges or the prefix");
      }
    }
  }

  private static String shown(String expression) {
    return expression.length() <= 200 ? expression : expression.substring(0, 200) + "…";
  }

  private CheckpointException refused(String component, String what, String mend) {
    return new CheckpointException(where + ": the " + component + " " + what + "; " + mend + ".");
  }
}
