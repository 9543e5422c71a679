package dev.troupe.models.checkpoint;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalInt;

/**
 * What a Hugging Face {@code config.json} says of a Llama-architecture model. Keys that are absent
 * take the defaults of {@code transformers}, but the five sizes of the network must be there.
 *
 * @param architecture the class that {@code transformers} would build, {@value #LLAMA}
 * @param vocabSize rows of the embedding
 * @param hiddenSize width of the residual stream
 * @param intermediateSize width inside the feed-forward network
 * @param layers number of decoder layers
 * @param heads query heads
 * @param kvHeads key and value heads; divides {@code heads}
 * @param headDim width of one head; even
 * @param rmsNormEps added to the mean square in every norm
 * @param ropeTheta base of the rotary frequencies
 * @param ropeScaling how rotary positions are stretched, if they are
 * @param maxPositionEmbeddings context length in tokens
 * @param tiedEmbeddings whether the output matrix is the embedding
 * @param eosTokenIds tokens that end a text, the first being the one to append; may be empty
 * @param bosTokenId the token that starts a text
 * @param padTokenId the token that fills up
 */
public record ModelConfig(
    String architecture,
    int vocabSize,
    int hiddenSize,
    int intermediateSize,
    int layers,
    int heads,
    int kvHeads,
    int headDim,
    double rmsNormEps,
    double ropeTheta,
    Optional<RopeScaling> ropeScaling,
    int maxPositionEmbeddings,
    boolean tiedEmbeddings,
    List<Integer> eosTokenIds,
    OptionalInt bosTokenId,
    OptionalInt padTokenId) {
  /** The one known architecture. */
  public static final String LLAMA = "LlamaForCausalLM";

  private static final List<String> KNOWN = List.of(LLAMA);

  public ModelConfig {
    eosTokenIds = List.copyOf(eosTokenIds);
    positive("vocab_size", vocabSize);
    positive("hidden_size", hiddenSize);
    positive("intermediate_size", intermediateSize);
    positive("num_hidden_layers", layers);
    positive("num_attention_heads", heads);
    positive("num_key_value_heads", kvHeads);
    positive("head_dim", headDim);
    positive("max_position_embeddings", maxPositionEmbeddings);
    require(
        heads % kvHeads == 0,
        "num_attention_heads " + heads + " is not a multiple of num_key_value_heads " + kvHeads);
    require(headDim % 2 == 0, "head_dim " + headDim + " is odd; rotary positions need pairs");
    require(
        rmsNormEps > 0 && Double.isFinite(rmsNormEps),
        "rms_norm_eps must be positive, found " + rmsNormEps);
    require(
        ropeTheta > 0 && Double.isFinite(ropeTheta),
        "rope_theta must be positive, found " + ropeTheta);
    for (int eos : eosTokenIds) {
      require(
          eos >= 0 && eos < vocabSize,
          "eos_token_id " + eos + " is outside of the vocabulary of " + vocabSize);
    }
  }

  /**
   * Reads a {@code config.json}.
   *
   * @param file the file itself, or the directory it lies in
   * @throws CheckpointException when it is missing, malformed, or of a model that cannot be run
   */
  public static ModelConfig read(Path file) {
    Path path =
        file.getFileName() != null && file.getFileName().toString().endsWith(".json")
            ? file
            : file.resolve("config.json");
    return parse(JsonFile.read(path), path.toString());
  }

  /** As {@link #read}, from parsed JSON; {@code where} names it in errors. */
  public static ModelConfig parse(ObjectNode json, String where) {
    try {
      return new Reader(json).config();
    } catch (IllegalArgumentException e) {
      throw new CheckpointException(where + ": " + e.getMessage() + ".", e);
    }
  }

  /**
   * The rotary frequencies of one head, in radians per position, fastest first; {@code headDim / 2}
   * of them, scaling included.
   */
  public double[] rotaryFrequencies() {
    double[] frequencies = new double[headDim / 2];
    for (int i = 0; i < frequencies.length; i++) {
      double frequency = Math.pow(ropeTheta, -2.0 * i / headDim);
      frequencies[i] = ropeScaling.map(scaling -> scaling.scale(frequency)).orElse(frequency);
    }
    return frequencies;
  }

  /**
   * Every tensor that a checkpoint of this model has, by its Hugging Face name, in the order of the
   * network.
   */
  public Map<String, Shape> tensors() {
    Map<String, Shape> tensors = new LinkedHashMap<>();
    tensors.put("model.embed_tokens.weight", Shape.of(vocabSize, hiddenSize));
    for (int layer = 0; layer < layers; layer++) {
      String prefix = "model.layers." + layer + ".";
      tensors.put(prefix + "self_attn.q_proj.weight", Shape.of((long) heads * headDim, hiddenSize));
      tensors.put(
          prefix + "self_attn.k_proj.weight", Shape.of((long) kvHeads * headDim, hiddenSize));
      tensors.put(
          prefix + "self_attn.v_proj.weight", Shape.of((long) kvHeads * headDim, hiddenSize));
      tensors.put(prefix + "self_attn.o_proj.weight", Shape.of(hiddenSize, (long) heads * headDim));
      tensors.put(prefix + "mlp.gate_proj.weight", Shape.of(intermediateSize, hiddenSize));
      tensors.put(prefix + "mlp.up_proj.weight", Shape.of(intermediateSize, hiddenSize));
      tensors.put(prefix + "mlp.down_proj.weight", Shape.of(hiddenSize, intermediateSize));
      tensors.put(prefix + "input_layernorm.weight", Shape.of(hiddenSize));
      tensors.put(prefix + "post_attention_layernorm.weight", Shape.of(hiddenSize));
    }
    tensors.put("model.norm.weight", Shape.of(hiddenSize));
    if (!tiedEmbeddings) {
      tensors.put("lm_head.weight", Shape.of(vocabSize, hiddenSize));
    }
    return tensors;
  }

  /** The {@code config.json} that {@code transformers} reads back to the same model. */
  public ObjectNode toJson(DType dtype) {
    ObjectNode json = JsonFile.object();
    json.putArray("architectures").add(architecture);
    json.put("model_type", "llama");
    json.put("vocab_size", vocabSize);
    json.put("hidden_size", hiddenSize);
    json.put("intermediate_size", intermediateSize);
    json.put("num_hidden_layers", layers);
    json.put("num_attention_heads", heads);
    json.put("num_key_value_heads", kvHeads);
    json.put("head_dim", headDim);
    json.put("hidden_act", "silu");
    json.put("rms_norm_eps", rmsNormEps);
    json.put("rope_theta", ropeTheta);
    ropeScaling.ifPresent(scaling -> json.set("rope_scaling", ropeJson(scaling)));
    json.put("max_position_embeddings", maxPositionEmbeddings);
    json.put("tie_word_embeddings", tiedEmbeddings);
    json.put("attention_bias", false);
    json.put("mlp_bias", false);
    putTokens(json);
    json.put("torch_dtype", dtype.torchName());
    return json;
  }

  /** The {@code generation_config.json} beside it: the special tokens alone. */
  ObjectNode generationJson() {
    ObjectNode json = JsonFile.object();
    json.put("_from_model_config", true);
    putTokens(json);
    return json;
  }

  private void putTokens(ObjectNode json) {
    // Written as null when there is none: an absent key would take the default of transformers.
    json.set(
        "bos_token_id", json.numberNode(bosTokenId.isPresent() ? bosTokenId.getAsInt() : null));
    json.set(
        "pad_token_id", json.numberNode(padTokenId.isPresent() ? padTokenId.getAsInt() : null));
    if (eosTokenIds.size() > 1) {
      ArrayNode eos = json.putArray("eos_token_id");
      eosTokenIds.forEach(eos::add);
    } else {
      json.set("eos_token_id", json.numberNode(eosTokenIds.isEmpty() ? null : eosTokenIds.get(0)));
    }
  }

  private static ObjectNode ropeJson(RopeScaling scaling) {
    ObjectNode json = JsonFile.object();
    if (scaling instanceof RopeScaling.Linear linear) {
      json.put("rope_type", "linear").put("factor", linear.factor());
    } else if (scaling instanceof RopeScaling.Llama3 llama3) {
      json.put("rope_type", "llama3")
          .put("factor", llama3.factor())
          .put("low_freq_factor", llama3.lowFrequencyFactor())
          .put("high_freq_factor", llama3.highFrequencyFactor())
          .put("original_max_position_embeddings", llama3.originalMaxPositions());
    }
    return json;
  }

  private static void positive(String key, int value) {
    require(value > 0, key + " must be positive, found " + value);
  }

  private static void require(boolean condition, String message) {
    if (!condition) {
      throw new IllegalArgumentException(message);
    }
  }

  /**
   * Picks the values out of the JSON; every complaint is an IllegalArgumentException without the
   * file's name.
   */
  private record Reader(ObjectNode json) {
    ModelConfig config() {
      String architecture = architecture();
      refuseUnsupported();
      int hidden = requiredInt("hidden_size");
      int heads = requiredInt("num_attention_heads");
      int headDim = integer("head_dim").orElse(heads > 0 ? hidden / heads : 0);
      if (integer("head_dim").isEmpty()) {
        require(
            heads > 0 && hidden % heads == 0,
            "hidden_size "
                + hidden
                + " is not a multiple of num_attention_heads "
                + heads
                + ", and head_dim is not given");
      }
      JsonNode rope =
          json.hasNonNull("rope_parameters")
              ? json.get("rope_parameters")
              : json.path("rope_scaling");
      double theta = number(json.hasNonNull("rope_theta") ? json : rope, "rope_theta", 10000);
      return new ModelConfig(
          architecture,
          requiredInt("vocab_size"),
          hidden,
          requiredInt("intermediate_size"),
          requiredInt("num_hidden_layers"),
          heads,
          integer("num_key_value_heads").orElse(heads),
          headDim,
          number(json, "rms_norm_eps", 1e-6),
          theta,
          ropeScaling(rope),
          integer("max_position_embeddings").orElse(2048),
          bool("tie_word_embeddings"),
          eosTokens(),
          json.has("bos_token_id") ? integer("bos_token_id") : OptionalInt.of(1),
          integer("pad_token_id"));
    }

    private String architecture() {
      JsonNode architectures = json.path("architectures");
      String found =
          architectures.isArray() && architectures.size() > 0 ? architectures.get(0).asText() : "";
      require(
          !found.isEmpty(),
          "it names no architecture (key 'architectures'); known are " + String.join(", ", KNOWN));
      require(
          KNOWN.contains(found),
          "unknown architecture '" + found + "'; known are " + String.join(", ", KNOWN));
      return found;
    }

    private void refuseUnsupported() {
      for (String bias : List.of("attention_bias", "mlp_bias")) {
        require(
            !bool(bias),
            bias + " is true; models with biases in their linear layers cannot be run");
      }
      String activation = json.hasNonNull("hidden_act") ? json.get("hidden_act").asText() : "silu";
      require(
          activation.equals("silu"),
          "hidden_act '" + activation + "' cannot be run; expected 'silu'");
      require(
          !json.hasNonNull("quantization_config"),
          "quantization_config is set; quantised weights cannot be trained. Use the checkpoint in bf16, fp16 or fp32");
      double partial = number(json, "partial_rotary_factor", 1);
      require(partial == 1, "partial_rotary_factor " + partial + " cannot be run; expected 1");
    }

    private static Optional<RopeScaling> ropeScaling(JsonNode rope) {
      if (!rope.isObject()) {
        require(
            rope.isMissingNode() || rope.isNull(), "rope_scaling must be an object, found " + rope);
        return Optional.empty();
      }
      String type = rope.path("rope_type").asText(rope.path("type").asText("default"));
      return switch (type) {
        case "default" -> Optional.empty();
        case "linear" -> Optional.of(new RopeScaling.Linear(atLeastOne(rope, "factor")));
        case "llama3" -> Optional.of(llama3(rope));
        default ->
            throw new IllegalArgumentException(
                "rope_scaling of type '"
                    + type
                    + "' cannot be run; known are default, linear, llama3");
      };
    }

    private static RopeScaling llama3(JsonNode rope) {
      double low = atLeastOne(rope, "low_freq_factor");
      double high = atLeastOne(rope, "high_freq_factor");
      double original = atLeastOne(rope, "original_max_position_embeddings");
      require(
          high > low,
          "rope_scaling: high_freq_factor " + high + " must exceed low_freq_factor " + low);
      return new RopeScaling.Llama3(atLeastOne(rope, "factor"), low, high, (int) original);
    }

    private static double atLeastOne(JsonNode rope, String key) {
      JsonNode value = rope.path(key);
      require(
          value.isNumber() && value.doubleValue() >= 1 && value.doubleValue() <= Integer.MAX_VALUE,
          "rope_scaling: "
              + key
              + " must be a number of at least 1, found "
              + (value.isMissingNode() ? "nothing" : value));
      return value.doubleValue();
    }

    private List<Integer> eosTokens() {
      JsonNode eos = json.path("eos_token_id");
      if (eos.isMissingNode()) {
        return List.of(2);
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

    private int requiredInt(String key) {
      require(json.hasNonNull(key), key + " is missing");
      return integer(key).orElseThrow();
    }

    private OptionalInt integer(String key) {
      if (!json.hasNonNull(key)) {
        return OptionalInt.empty();
      }
      JsonNode value = json.get(key);
      require(
          value.isIntegralNumber() && value.canConvertToInt(),
          key + " must be a whole number, found " + value);
      return OptionalInt.of(value.intValue());
    }

    private static double number(JsonNode object, String key, double otherwise) {
      if (!object.hasNonNull(key)) {
        return otherwise;
      }
      require(object.get(key).isNumber(), key + " must be a number, found " + object.get(key));
      return object.get(key).doubleValue();
    }

    private boolean bool(String key) {
      if (!json.hasNonNull(key)) {
        return false;
      }
      require(json.get(key).isBoolean(), key + " must be true or false, found " + json.get(key));
      return json.get(key).booleanValue();
    }
  }
}
