package dev.troupe.models.tokenizer;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.troupe.models.checkpoint.CheckpointException;
import java.util.Comparator;
import java.util.HashMap;
import java.util.HashSet;
import java.util.Iterator;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.UUID;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;

/** The tokens that a {@code tokenizer.json} lists: the model's own and the added ones. */
final class Vocabulary {
  private static final Set<String> MODELS = Set.of("BPE", "Unigram", "WordPiece", "WordLevel");

  /** Nobody can write it into a text: it is another one in every process. */
  private static final String CONCEALMENT = "special " + UUID.randomUUID() + " ";

  /** A piece that stands for a byte of a letter that the model has no other piece for. */
  private static final Pattern BYTE = Pattern.compile("<0x[0-9A-Fa-f]{2}>");

  private final Map<String, Integer> ids;
  private final Set<String> specials;
  private final Set<String> fallback;
  private final Set<Integer> specialIds;
  private final Set<Integer> markerIds;
  private final int size;
  private final String last;

  private Vocabulary(
      Map<String, Integer> ids, Set<String> specials, Set<String> bytes, Set<String> fallback) {
    this.ids = ids;
    this.specials = specials;
    this.fallback = fallback;
    this.specialIds = ids(specials, fallback);
    this.markerIds = ids(specials, bytes);
    Map.Entry<String, Integer> largest =
        ids.entrySet().stream().max(Map.Entry.comparingByValue()).orElseThrow();
    this.size = largest.getValue() + 1;
    this.last = largest.getKey();
  }

  private Set<Integer> ids(Set<String> contents, Set<String> without) {
    return contents.stream()
        .filter(content -> !without.contains(content))
        .map(ids::get)
        .collect(Collectors.toUnmodifiableSet());
  }

  /** Whether a token stands for a byte, written so that people can read it. */
  static boolean isByte(String token) {
    return BYTE.matcher(token).matches();
  }

  /** Whether the tokenizer writes letters that it does not know as bytes, or reads them so. */
  private static boolean hasBytes(ObjectNode json) {
    return json.path("model").path("byte_fallback").asBoolean()
        || json.path("decoder").findValuesAsText("type").contains("ByteFallback");
  }

  /**
   * Of a {@code tokenizer.json}.
   *
   * @param named the tokens that begin, end and fill up texts, which are no letters even where they
   *     are called as bytes are
   */
  static Vocabulary of(ObjectNode json, Set<String> named, String where) {
    JsonNode model = json.path("model");
    if (!MODELS.contains(model.path("type").asText("BPE"))
        || !model.path("vocab").isContainerNode()) {
      throw new CheckpointException(
          where
              + ": expected a model of type BPE, Unigram, WordPiece or WordLevel with a vocab, found "
              + model.path("type")
              + ".");
    }
    Map<String, Integer> ids = new HashMap<>();
    JsonNode vocab = model.get("vocab");
    if (vocab.isArray()) { // Unigram: a list of [piece, score], whose position is the id
      for (int id = 0; id < vocab.size(); id++) {
        ids.put(vocab.get(id).path(0).asText(), id);
      }
    } else {
      vocab
          .properties()
          .forEach(entry -> ids.put(entry.getKey(), id(entry.getKey(), entry.getValue(), where)));
    }
    Set<String> ofModel = Set.copyOf(ids.keySet());
    boolean hasBytes = hasBytes(json);
    Set<String> specials = new HashSet<>();
    Set<String> bytes = new HashSet<>();
    for (JsonNode added : json.path("added_tokens")) {
      String content = added.path("content").asText();
      ids.put(content, id(content, added.path("id"), where));
      boolean isByte = hasBytes && isByte(content) && !named.contains(content);
      if (isByte) {
        bytes.add(content);
      }
      // A byte that someone spells out is no letter either.
      if (isByte || added.path("special").asBoolean()) {
        specials.add(content);
      }
    }
    if (ids.isEmpty()) {
      throw new CheckpointException(where + ": the vocabulary is empty.");
    }
    Set<String> fallback = bytes.stream().filter(ofModel::contains).collect(Collectors.toSet());
    return new Vocabulary(ids, specials, bytes, fallback);
  }

  private static int id(String token, JsonNode id, String where) {
    if (!id.isIntegralNumber()
        || !id.canConvertToInt()
        || id.intValue() < 0
        || id.intValue() == Integer.MAX_VALUE) {
      throw new CheckpointException(
          where
              + ": the id of token '"
              + token
              + "' must be a whole number from 0 to "
              + (Integer.MAX_VALUE - 1)
              + ", found "
              + (id.isMissingNode() ? "none" : id)
              + ".");
    }
    return id.intValue();
  }

  @Nullable Integer id(String token) {
    return ids.get(token);
  }

  /** Whether a token cannot come from the letters of a text. */
  boolean isSpecial(int id) {
    return specialIds.contains(id);
  }

  /** Whether a token stands for no letters; bytes of letters do, whatever the file calls them. */
  boolean isMarker(int id) {
    return markerIds.contains(id);
  }

  /** Finds special tokens spelled out in text, the longest where several begin. */
  Pattern spelledOut() {
    return specials.isEmpty()
        ? Pattern.compile("(?!)")
        : Pattern.compile(
            specials.stream()
                .filter(special -> !special.isEmpty())
                .sorted(Comparator.comparingInt(String::length).reversed())
                .map(Pattern::quote)
                .collect(Collectors.joining("|")));
  }

  /** One more than the largest id. */
  int size() {
    return size;
  }

  /** The token with the largest id. */
  String last() {
    return last;
  }

  /**
   * A copy of the tokenizer's JSON that cannot produce a special token from text: they are no
   * longer looked for, and the model's vocabulary has them under names that no text contains, so
   * that neither merges nor pieces spell them. The unknown token keeps its name, since the model
   * must be able to emit it, and so do the bytes of letters that it has no piece for.
   */
  ObjectNode withoutSpecials(ObjectNode json) {
    ObjectNode copy = json.deepCopy();
    ObjectNode model = (ObjectNode) copy.get("model");
    Set<String> hidden = new HashSet<>(specials);
    hidden.remove(model.path("unk_token").asText());
    hidden.removeAll(fallback);
    if (model.get("vocab") instanceof ArrayNode pieces) {
      for (JsonNode piece : pieces) {
        if (hidden.contains(piece.path(0).asText())) {
          ((ArrayNode) piece).set(0, concealed(piece.path(0).asText()));
        }
      }
    } else if (model.get("vocab") instanceof ObjectNode entries) {
      for (String special : List.copyOf(hidden)) {
        JsonNode id = entries.remove(special);
        if (id != null) {
          entries.set(concealed(special), id);
        }
      }
    }
    Iterator<JsonNode> added = copy.withArray("added_tokens").elements();
    while (added.hasNext()) {
      JsonNode token = added.next();
      String content = token.path("content").asText();
      if (!specials.contains(content)) {
        continue;
      }
      if (fallback.contains(content)
          || (!hidden.contains(content) && model.path("vocab").has(content))) {
        // the unknown token and bytes, by whose names the model knows them
        added.remove();
      } else {
        // In its place, not gone: the ids of the added tokens behind it are counted.
        ((ObjectNode) token).put("content", concealed(content));
      }
    }
    Iterator<JsonNode> merges = model.path("merges").elements();
    while (merges.hasNext()) {
      JsonNode merge = merges.next();
      String left = merge.isArray() ? merge.path(0).asText() : merge.asText().split(" ", 2)[0];
      String right =
          merge.isArray() ? merge.path(1).asText() : merge.asText().substring(left.length() + 1);
      if (hidden.contains(left) || hidden.contains(right) || hidden.contains(left + right)) {
        merges.remove();
      }
    }
    return copy;
  }

  /** The name of a special token in the tokenizer for user text. */
  static String concealed(String special) {
    return CONCEALMENT + special;
  }
}
