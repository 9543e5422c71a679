package dev.troupe.rlhf.data;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.HashSet;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;

/**
 * What the data say is not to be imitated: a whole record (KTO's label and its like) or one of its
 * turns (OpenAI's weight and its like).
 */
final class Imitation {
  /** By the names of TRL, LLaMA-Factory and others; the value is what true says. */
  private static final Map<String, Boolean> OF_RECORDS =
      Map.of(
          "label", true,
          "kto_tag", true,
          "desirable", true,
          "is_desirable", true,
          "undesirable", false,
          "is_undesirable", false);

  /** By the names of OpenAI, Axolotl, LLaMA-Factory, ms-swift and others. */
  private static final List<String> OF_TURNS =
      List.of("weight", "train", "training", "trainable", "loss", "loss_weight", "loss_scale");

  private static final Set<String> GOOD =
      Set.of(
          "true",
          "1",
          "1.0",
          "yes",
          "good",
          "desirable",
          "desired",
          "chosen",
          "positive",
          "thumbs_up",
          "like");
  private static final Set<String> BAD =
      Set.of(
          "false",
          "0",
          "0.0",
          "-1",
          "-1.0",
          "no",
          "bad",
          "undesirable",
          "undesired",
          "rejected",
          "negative",
          "thumbs_down",
          "dislike");

  private Imitation() {}

  /** Whether an answer is to be imitated. A label in words that say neither is none of that. */
  static boolean desirable(Fields fields) {
    boolean desirable = true;
    for (String key : OF_RECORDS.keySet()) {
      Optional<Boolean> says = says(fields, key);
      if (says.isPresent()) {
        fields.read(key);
        desirable &= says.get().equals(OF_RECORDS.get(key));
      }
    }
    for (String key : OF_TURNS) {
      JsonNode value = fields.node().path(key);
      if (isFalse(value) || isTrue(value)) {
        fields.read(key);
        desirable &= isTrue(value);
      }
    }
    return desirable;
  }

  /** Whether an answer was found good, where the record says it by KTO's label or its like. */
  static Optional<Boolean> label(Fields fields) {
    return labels(fields).values().stream().reduce(Boolean::logicalAnd);
  }

  /** What each name that says so says of an answer: whether it was found good. */
  static Map<String, Boolean> labels(Fields fields) {
    Map<String, Boolean> labels = new TreeMap<>();
    OF_RECORDS.forEach(
        (key, good) -> says(fields, key).ifPresent(says -> labels.put(key, says.equals(good))));
    return labels;
  }

  /**
   * Of a pair the same names can say which of its answers is the better, or that nobody should
   * learn from it.
   */
  static void refuseDoubt(Fields fields) {
    for (String key : OF_RECORDS.keySet()) {
      Optional<Boolean> says = says(fields, key);
      if (says.isPresent() && !says.get().equals(OF_RECORDS.get(key))) {
        throw DataException.at(
            fields.origin(),
            "has \""
                + key
                + "\": "
                + fields.node().get(key)
                + " beside two answers, and whether that turns them round can't be told; leave the"
                + " record out, or name the field in the source's ignore to take the answers as"
                + " they are");
      }
    }
  }

  private static Optional<Boolean> says(Fields fields, String key) {
    JsonNode value = fields.node().path(key);
    if (value.isMissingNode() || value.isNull() || value.isContainerNode()) {
      return Optional.empty();
    }
    String word = word(value);
    if (GOOD.contains(word) || BAD.contains(word)) {
      return Optional.of(GOOD.contains(word));
    }
    if (value.isNumber()) {
      throw DataException.at(
          fields.origin(),
          "\""
              + key
              + "\" is "
              + value
              + ", expected true or false: whether the answer is one to imitate (KTO). If it says"
              + " something else, name it in the source's ignore");
    }
    return Optional.empty();
  }

  private static String word(JsonNode value) {
    return value.asText().strip().toLowerCase(Locale.ROOT).replace(' ', '_');
  }

  private static boolean isFalse(JsonNode value) {
    return value.isValueNode() && Set.of("false", "0", "0.0").contains(word(value));
  }

  private static boolean isTrue(JsonNode value) {
    return value.isValueNode() && Set.of("true", "1", "1.0").contains(word(value));
  }

  /** The assistant's turns that are not to be learned, from 0. */
  static Set<Integer> masked(Fields record, String key, JsonNode array) {
    JsonNode turns = JsonValues.unwrapped(record, key, array);
    Set<Integer> masked = new HashSet<>();
    for (int i = 0; i < turns.size(); i++) {
      JsonNode turn = turns.get(i);
      if (OF_TURNS.stream().anyMatch(name -> isFalse(turn.path(name)))) {
        masked.add(i);
      }
    }
    return masked;
  }

  /** An answer of a pair that is not to be learned leaves nothing to compare. */
  static void refuseMasked(Fields record, String key, JsonNode turn) {
    if (OF_TURNS.stream().anyMatch(name -> isFalse(turn.path(name)))) {
      throw DataException.at(
          record.origin(),
          "the answer in \""
              + key
              + "\" is marked as not to be learned, and a pair is learned by both of its answers;"
              + " leave the record out");
    }
  }

  static Set<Integer> shifted(Set<Integer> turns, int by) {
    Set<Integer> shifted = new HashSet<>();
    turns.forEach(turn -> shifted.add(turn + by));
    return shifted;
  }

  /**
   * Reads what an assistant's turn says of itself, so that its template does not get it.
   *
   * @throws DataException when that is neither all nor nothing
   */
  static void readFlags(Fields turn) {
    for (String key : OF_TURNS) {
      if (!turn.has(key)) {
        continue;
      }
      JsonNode value = turn.node().get(key);
      if (!isFalse(value) && !isTrue(value)) {
        throw DataException.at(
            turn.origin(),
            "an assistant's turn has \""
                + key
                + "\": "
                + value
                + ", expected 1 or true to learn it, or 0 or false to leave it out of what is"
                + " learned");
      }
      turn.read(key);
    }
    if (turn.has("train_detail") || turn.has("training_detail")) {
      throw DataException.at(
          turn.origin(),
          "an assistant's turn says in detail which of its letters are learned, and a turn is"
              + " learned as a whole or not at all; split it, or remove the field");
    }
  }
}
