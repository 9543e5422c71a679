package dev.troupe.models.checkpoint;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.Set;

/**
 * Picks values out of a {@code config.json} and remembers which keys were asked for, so that what
 * nobody asked for can be refused by name. As in {@code transformers} 5, null is a value like
 * another: only where a family allows it does it stand for an absent key. Every complaint is an
 * IllegalArgumentException that names the key, without the file's name.
 */
final class ConfigKeys {
  private final ObjectNode json;
  private final String where;
  private final Set<String> asked = new LinkedHashSet<>();

  /** Of a whole file. */
  ConfigKeys(ObjectNode json) {
    this(json, "");
  }

  /**
   * Of an object in it.
   *
   * @param where it stands, for messages: ends with ": "
   */
  ConfigKeys(ObjectNode json, String where) {
    this.json = json;
    this.where = where;
  }

  static void require(boolean condition, String message) {
    if (!condition) {
      throw new IllegalArgumentException(message);
    }
  }

  /** The key under which this object stands in the file, for messages. */
  String name() {
    return where.isEmpty() ? "config.json" : where.substring(0, where.length() - 2);
  }

  /** As {@link #require}, with the place of this object in front. */
  void check(boolean condition, String message) {
    require(condition, where + message);
  }

  private JsonNode get(String key) {
    asked.add(key);
    return json.path(key);
  }

  /** Whether the key is there with a value. */
  boolean has(String key) {
    JsonNode value = get(key);
    return !value.isMissingNode() && !value.isNull();
  }

  /** Whether the key is there, with null too. */
  boolean mentions(String key) {
    return !get(key).isMissingNode();
  }

  boolean isEmpty() {
    return json.isEmpty();
  }

  int requiredInt(String key) {
    check(mentions(key), key + " is missing");
    return whole(key);
  }

  /** The number of layers under a key, within reason: each makes a list of weights. */
  int layers(String key) {
    int layers = requiredInt(key);
    check(layers > 0 && layers <= 1000, key + " must be 1 to 1000, found " + layers);
    return layers;
  }

  /** A whole number; null is refused. */
  int integer(String key, int otherwise) {
    return mentions(key) ? whole(key) : otherwise;
  }

  /** A whole number where the key is there with a value: null is as good as absent. */
  OptionalInt integer(String key) {
    return has(key) ? OptionalInt.of(whole(key)) : OptionalInt.empty();
  }

  private int whole(String key) {
    JsonNode value = get(key);
    check(
        value.isIntegralNumber() && value.canConvertToInt(),
        key + " must be a whole number, found " + value);
    return value.intValue();
  }

  /** A token id where the key is there, null or not; otherwise the family's default. */
  OptionalInt token(String key, OptionalInt otherwise) {
    return mentions(key) ? integer(key) : otherwise;
  }

  double number(String key, double otherwise) {
    if (!mentions(key)) {
      return otherwise;
    }
    JsonNode value = get(key);
    check(value.isNumber(), key + " must be a number, found " + value);
    return value.doubleValue();
  }

  double positive(String key, double otherwise) {
    double value = number(key, otherwise);
    check(
        value > 0 && Double.isFinite(value),
        key + " must be positive, found " + (mentions(key) ? get(key) : "nothing"));
    return value;
  }

  /** A number that must be there, from 1 up to what an int holds. */
  double atLeastOne(String key) {
    JsonNode value = get(key);
    check(
        value.isNumber() && value.doubleValue() >= 1 && value.doubleValue() <= Integer.MAX_VALUE,
        key
            + " must be a number of at least 1, found "
            + (value.isMissingNode() ? "nothing" : value));
    return value.doubleValue();
  }

  /** A cap on logits or scores; 0 where the key is null, or absent without a default. */
  double cap(String key, double otherwise) {
    if (!mentions(key)) {
      return otherwise;
    }
    return has(key) ? positive(key, 0) : 0;
  }

  boolean bool(String key, boolean otherwise) {
    if (!mentions(key)) {
      return otherwise;
    }
    JsonNode value = get(key);
    check(value.isBoolean(), key + " must be true or false, found " + value);
    return value.booleanValue();
  }

  String text(String key, String otherwise) {
    if (!mentions(key)) {
      return otherwise;
    }
    JsonNode value = get(key);
    check(value.isTextual(), key + " must be a text, found " + value);
    return value.asText();
  }

  /** The first text of a list; empty where there is none. */
  String first(String key) {
    JsonNode list = get(key);
    return list.isArray() && !list.isEmpty() ? list.get(0).asText() : "";
  }

  /** Refuses a switch that is set the other way. */
  void mustBe(String key, boolean expected, boolean otherwise, String why) {
    check(bool(key, otherwise) == expected, key + " is " + !expected + "; " + why);
  }

  /** Refuses a switch that is on; null is off. */
  void mustBeOff(String key, String why) {
    check(!has(key) || !bool(key, false), key + " is true; " + why);
  }

  /** An object; an empty one where the key is absent or null. */
  ConfigKeys object(String key) {
    JsonNode value = get(key);
    check(
        value.isObject() || value.isMissingNode() || value.isNull(),
        key + " must be an object, found " + value);
    return new ConfigKeys(
        value instanceof ObjectNode object ? object : JsonFile.object(), where + key + ": ");
  }

  /** Positive numbers, one for each of {@code count} pairs that turn in a head. */
  List<Double> factors(String key, int count) {
    JsonNode factors = get(key);
    check(
        factors.isArray() && factors.size() == count,
        key
            + " must list "
            + count
            + " numbers, found "
            + (factors.isMissingNode() ? "nothing" : factors));
    List<Double> numbers = new ArrayList<>();
    for (JsonNode factor : factors) {
      check(
          factor.isNumber() && factor.doubleValue() > 0,
          key + " must list positive numbers, found " + factor);
      numbers.add(factor.doubleValue());
    }
    return numbers;
  }

  Decoder.Activation activation(String key, String otherwise) {
    String name = text(key, otherwise);
    return switch (name) {
      case "silu", "swish" -> Decoder.Activation.SILU;
      case "gelu" -> Decoder.Activation.GELU;
      case "gelu_new", "gelu_fast", "gelu_pytorch_tanh" -> Decoder.Activation.GELU_TANH;
      case "relu" -> Decoder.Activation.RELU;
      default ->
          throw new IllegalArgumentException(
              key
                  + " '"
                  + name
                  + "' cannot be run; known are silu, gelu, gelu_new, gelu_fast, gelu_pytorch_tanh,"
                  + " relu");
    };
  }

  /**
   * Per layer, whether {@code layer_types} calls it sliding; empty where the key is absent or null.
   */
  Optional<List<Boolean>> layerTypes(int layers) {
    if (!has("layer_types")) {
      return Optional.empty();
    }
    JsonNode types = get("layer_types");
    check(
        types.isArray() && types.size() == layers,
        "layer_types must list one type for each of the " + layers + " layers, found " + types);
    List<Boolean> local = new ArrayList<>();
    for (JsonNode type : types) {
      boolean sliding = type.asText().equals("sliding_attention");
      // Transformers renames the older name.
      boolean full = type.asText().equals("full_attention") || type.asText().equals("attention");
      check(
          sliding || full,
          "layer_types names "
              + type
              + ", which cannot be run; known are full_attention, sliding_attention");
      local.add(sliding);
    }
    return Optional.of(local);
  }

  List<Integer> eosTokens(List<Integer> otherwise) {
    JsonNode eos = get("eos_token_id");
    if (eos.isMissingNode()) {
      return otherwise;
    }
    List<Integer> tokens = new ArrayList<>();
    if (eos.isArray()) {
      eos.forEach(token -> tokens.add(tokenId(token)));
    } else if (!eos.isNull()) {
      tokens.add(tokenId(eos));
    }
    return tokens;
  }

  private static int tokenId(JsonNode token) {
    require(
        token.canConvertToInt() && token.isIntegralNumber(),
        "eos_token_id must be a token id or a list of them, found " + token);
    return token.intValue();
  }

  /**
   * Refuses the first key with a value that was neither asked for nor is among those known to have
   * no effect.
   *
   * @param whose for the message, for example {@code a llama}
   */
  void refuseOthers(Set<String> withoutEffect, String whose) {
    json.properties()
        .forEach(
            entry ->
                check(
                    entry.getValue().isNull()
                        || asked.contains(entry.getKey())
                        || withoutEffect.contains(entry.getKey())
                        || HarmlessKeys.isOff(entry.getKey(), entry.getValue()),
                    "the key '"
                        + entry.getKey()
                        + "' (found "
                        + shown(entry.getValue())
                        + ") is not known for "
                        + whose
                        + ": what it asks for would not be done. Remove it from the file if the model is the same without it"));
  }

  private static String shown(JsonNode value) {
    String text = value.toString();
    return text.length() > 80 ? text.substring(0, 80) + "…" : text;
  }

  ObjectNode copy() {
    return json.deepCopy();
  }
}
