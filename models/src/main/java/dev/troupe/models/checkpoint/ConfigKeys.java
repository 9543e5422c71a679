package dev.troupe.models.checkpoint;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.OptionalInt;

/**
 * Picks values out of a {@code config.json}; every complaint is an IllegalArgumentException that
 * names the key, without the file's name.
 */
record ConfigKeys(JsonNode json) {
  static void require(boolean condition, String message) {
    if (!condition) {
      throw new IllegalArgumentException(message);
    }
  }

  boolean has(String key) {
    return json.hasNonNull(key);
  }

  int requiredInt(String key) {
    require(has(key), key + " is missing");
    return integer(key).orElseThrow();
  }

  /** The number of layers under a key, within reason: each makes a list of weights. */
  int layers(String key) {
    int layers = requiredInt(key);
    require(layers > 0 && layers <= 1000, key + " must be 1 to 1000, found " + layers);
    return layers;
  }

  OptionalInt integer(String key) {
    if (!has(key)) {
      return OptionalInt.empty();
    }
    JsonNode value = json.get(key);
    require(
        value.isIntegralNumber() && value.canConvertToInt(),
        key + " must be a whole number, found " + value);
    return OptionalInt.of(value.intValue());
  }

  /** A token id where the key is there, null or not; otherwise the family's default. */
  OptionalInt token(String key, OptionalInt otherwise) {
    return json.has(key) ? integer(key) : otherwise;
  }

  double number(String key, double otherwise) {
    if (!has(key)) {
      return otherwise;
    }
    require(json.get(key).isNumber(), key + " must be a number, found " + json.get(key));
    return json.get(key).doubleValue();
  }

  double positive(String key, double otherwise) {
    double value = number(key, otherwise);
    require(
        value > 0 && Double.isFinite(value),
        key + " must be positive, found " + (has(key) ? json.get(key) : "nothing"));
    return value;
  }

  /** A cap on logits or scores; 0 where the key is null, or absent without a default. */
  double cap(String key, double otherwise) {
    if (!json.has(key)) {
      return otherwise;
    }
    return has(key) ? positive(key, 0) : 0;
  }

  boolean bool(String key, boolean otherwise) {
    if (!has(key)) {
      return otherwise;
    }
    require(json.get(key).isBoolean(), key + " must be true or false, found " + json.get(key));
    return json.get(key).booleanValue();
  }

  String text(String key, String otherwise) {
    if (!has(key)) {
      return otherwise;
    }
    require(json.get(key).isTextual(), key + " must be a text, found " + json.get(key));
    return json.get(key).asText();
  }

  /** Refuses a switch that is set the other way. */
  void mustBe(String key, boolean expected, boolean otherwise, String why) {
    require(bool(key, otherwise) == expected, key + " is " + !expected + "; " + why);
  }

  ConfigKeys object(String key) {
    JsonNode value = json.path(key);
    require(
        value.isObject() || value.isMissingNode() || value.isNull(),
        key + " must be an object, found " + value);
    return new ConfigKeys(value.isObject() ? value : JsonFile.object());
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

  /** Per layer, whether {@code layer_types} calls it sliding; empty where the key is absent. */
  Optional<List<Boolean>> layerTypes(int layers) {
    if (!has("layer_types")) {
      return Optional.empty();
    }
    JsonNode types = json.get("layer_types");
    require(
        types.isArray() && types.size() == layers,
        "layer_types must list one type for each of the " + layers + " layers, found " + types);
    List<Boolean> local = new ArrayList<>();
    for (JsonNode type : types) {
      require(
          type.asText().equals("sliding_attention") || type.asText().equals("full_attention"),
          "layer_types names "
              + type
              + ", which cannot be run; known are full_attention, sliding_attention");
      local.add(type.asText().equals("sliding_attention"));
    }
    return Optional.of(local);
  }

  List<Integer> eosTokens(List<Integer> otherwise) {
    JsonNode eos = json.path("eos_token_id");
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
   * What a {@code rope_scaling} or {@code rope_parameters} says.
   *
   * @param model the whole configuration
   * @param pairs that turn in a head
   */
  RopeScaling ropeScaling(ConfigKeys model, int pairs) {
    String type = text("rope_type", text("type", "default"));
    return switch (type) {
      case "default" -> new RopeScaling.None();
      case "linear" -> new RopeScaling.Linear(atLeastOne("factor"));
      case "dynamic" -> {
        atLeastOne("factor");
        yield new RopeScaling.None();
      }
      case "llama3" -> llama3();
      case "yarn" -> yarn(model);
      case "longrope", "su" -> longRope(model, pairs);
      default ->
          throw new IllegalArgumentException(
              "rope_scaling of type '"
                  + type
                  + "' cannot be run; known are default, linear, dynamic, llama3, yarn, longrope");
    };
  }

  private RopeScaling yarn(ConfigKeys model) {
    double factor = atLeastOne("factor");
    double amplitude = 1 + 0.1 * Math.log(factor);
    if (has("mscale") && has("mscale_all_dim") && number("mscale", 0) != 0) {
      double all = number("mscale_all_dim", 0);
      if (all != 0) {
        amplitude =
            (1 + 0.1 * number("mscale", 0) * Math.log(factor)) / (1 + 0.1 * all * Math.log(factor));
      }
    }
    return new RopeScaling.Yarn(
        factor,
        positive("beta_fast", 32),
        positive("beta_slow", 1),
        integer("original_max_position_embeddings")
            .orElseGet(() -> model.requiredInt("max_position_embeddings")),
        bool("truncate", true),
        positive("attention_factor", amplitude));
  }

  private RopeScaling longRope(ConfigKeys model, int pairs) {
    JsonNode factors = json.path("short_factor");
    require(
        factors.isArray() && factors.size() == pairs,
        "rope_scaling: short_factor must list " + pairs + " numbers, found " + factors);
    List<Double> shorts = new ArrayList<>();
    for (JsonNode factor : factors) {
      require(
          factor.isNumber() && factor.doubleValue() > 0,
          "rope_scaling: short_factor must list positive numbers, found " + factor);
      shorts.add(factor.doubleValue());
    }
    int longest = model.requiredInt("max_position_embeddings");
    int original = model.integer("original_max_position_embeddings").orElse(longest);
    require(original > 1, "original_max_position_embeddings must exceed 1, found " + original);
    double factor =
        model.has("original_max_position_embeddings")
            ? (double) longest / original
            : positive("factor", 1);
    double amplitude = factor <= 1 ? 1 : Math.sqrt(1 + Math.log(factor) / Math.log(original));
    return new RopeScaling.LongRope(shorts, original, positive("attention_factor", amplitude));
  }

  private RopeScaling llama3() {
    double low = atLeastOne("low_freq_factor");
    double high = atLeastOne("high_freq_factor");
    double original = atLeastOne("original_max_position_embeddings");
    require(
        high > low,
        "rope_scaling: high_freq_factor " + high + " must exceed low_freq_factor " + low);
    return new RopeScaling.Llama3(atLeastOne("factor"), low, high, (int) original);
  }

  private double atLeastOne(String key) {
    JsonNode value = json.path(key);
    require(
        value.isNumber() && value.doubleValue() >= 1 && value.doubleValue() <= Integer.MAX_VALUE,
        "rope_scaling: "
            + key
            + " must be a number of at least 1, found "
            + (value.isMissingNode() ? "nothing" : value));
    return value.doubleValue();
  }

  ObjectNode copy() {
    return json.deepCopy();
  }
}
