package dev.troupe.models.tokenizer;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.troupe.models.checkpoint.CheckpointException;
import dev.troupe.models.checkpoint.JsonFile;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.Set;
import java.util.TreeMap;

/**
 * A byte-level BPE tokenizer as GGUF's metadata states one ({@code tokenizer.ggml.*}, model gpt2);
 * what {@link GgufTokenizer} reads.
 *
 * @param split how a text is split into words, {@code tokenizer.ggml.pre}
 * @param tokens by id
 * @param kinds of the tokens: 1 normal, 3 control, 4 user-defined, 5 unused
 * @param merges in order, both sides with a blank between
 * @param addBos whether a text begins with the begin token
 * @param addEos whether a text ends with the end token
 */
public record GgufVocabulary(
    String split,
    List<String> tokens,
    List<Integer> kinds,
    List<String> merges,
    OptionalInt bos,
    OptionalInt eos,
    OptionalInt pad,
    boolean addBos,
    boolean addEos,
    Optional<String> chatTemplate) {
  private static final int NORMAL = 1;
  private static final int CONTROL = 3;
  private static final int USER_DEFINED = 4;
  private static final int UNUSED = 5;

  public GgufVocabulary {
    tokens = List.copyOf(tokens);
    kinds = List.copyOf(kinds);
    merges = List.copyOf(merges);
  }

  /**
   * Of a model directory.
   *
   * @param vocabSize rows of the model's embedding; ids without a token are filled up
   * @throws CheckpointException when its tokenizer is of a kind that is not written
   */
  public static GgufVocabulary of(Path model, int vocabSize) {
    Path file = model.resolve("tokenizer.json");
    ObjectNode json = JsonFile.read(file);
    String split = split(json, file);
    Map<Integer, String> byId = new TreeMap<>();
    json.path("model")
        .path("vocab")
        .properties()
        .forEach(entry -> byId.put(entry.getValue().asInt(), entry.getKey()));
    Set<Integer> control = new HashSet<>();
    Set<Integer> userDefined = new HashSet<>();
    for (JsonNode added : json.path("added_tokens")) {
      int id = added.path("id").asInt();
      byId.put(id, added.path("content").asText());
      (added.path("special").asBoolean() ? control : userDefined).add(id);
    }
    List<String> tokens = new ArrayList<>();
    List<Integer> kinds = new ArrayList<>();
    for (int id = 0; id < vocabSize; id++) {
      String token = byId.get(id);
      tokens.add(token == null ? "[PAD" + id + "]" : token);
      kinds.add(
          token == null
              ? UNUSED
              : control.contains(id) ? CONTROL : userDefined.contains(id) ? USER_DEFINED : NORMAL);
    }
    List<String> merges = new ArrayList<>();
    for (JsonNode merge : json.path("model").path("merges")) {
      merges.add(
          merge.isArray() ? merge.get(0).asText() + " " + merge.get(1).asText() : merge.asText());
    }
    try (Tokenizer tokenizer = Tokenizer.load(model)) {
      tokenizer.checkFits(vocabSize);
    }
    Path configFile = model.resolve("tokenizer_config.json");
    ObjectNode config = Files.exists(configFile) ? JsonFile.read(configFile) : JsonFile.object();
    List<String> around = around(json.path("post_processor"), file);
    return new GgufVocabulary(
        split,
        tokens,
        kinds,
        merges,
        id(config, "bos_token", tokens),
        id(config, "eos_token", tokens),
        id(config, "pad_token", tokens),
        around.get(0).equals(SPECIAL),
        around.get(around.size() - 1).equals(SPECIAL),
        chatTemplate(model, config));
  }

  private static final String SPECIAL = "SpecialToken";

  private static OptionalInt id(ObjectNode config, String key, List<String> tokens) {
    JsonNode token = config.path(key);
    int id = tokens.indexOf(token.isObject() ? token.path("content").asText() : token.asText());
    return id < 0 ? OptionalInt.empty() : OptionalInt.of(id);
  }

  private static Optional<String> chatTemplate(Path model, ObjectNode config) {
    Path file = model.resolve("chat_template.jinja");
    try {
      return Files.exists(file)
          ? Optional.of(Files.readString(file))
          : Optional.of(config.path("chat_template"))
              .filter(JsonNode::isTextual)
              .map(JsonNode::asText);
    } catch (java.io.IOException e) {
      throw new CheckpointException(file + " cannot be read: " + e, e);
    }
  }

  /** What a single text becomes: special tokens and the sequence, by their keys. */
  private static List<String> around(JsonNode processor, Path file) {
    String type = processor.path("type").asText("none");
    switch (type) {
      case "none", "ByteLevel" -> {
        return List.of("Sequence");
      }
      case "TemplateProcessing" -> {
        List<String> around = new ArrayList<>();
        for (JsonNode part : processor.path("single")) {
          around.add(part.fieldNames().next());
        }
        return around;
      }
      case "Sequence" -> {
        for (JsonNode part : processor.path("processors")) {
          List<String> around = around(part, file);
          if (around.contains(SPECIAL)) {
            return around;
          }
        }
        return List.of("Sequence");
      }
      default -> throw refused(file, "post_processor '" + type + "'");
    }
  }

  private static String split(ObjectNode json, Path file) {
    JsonNode model = json.path("model");
    if (!model.path("type").asText("BPE").equals("BPE")
        || model.path("byte_fallback").asBoolean()) {
      throw refused(file, "model " + model.path("type") + " that is not byte-level BPE");
    }
    JsonNode words = json.path("pre_tokenizer");
    String normalizer = json.path("normalizer").path("type").asText("none");
    boolean plain =
        words.path("type").asText().equals("ByteLevel")
            && words.path("use_regex").asBoolean(true)
            && !words.path("add_prefix_space").asBoolean();
    if (plain && normalizer.equals("none")) {
      return "gpt-2";
    }
    String regex = words.path("pretokenizers").path(0).path("pattern").path("Regex").asText("");
    boolean byteLevel =
        words.path("pretokenizers").size() == 2
            && words.path("pretokenizers").path(1).path("type").asText().equals("ByteLevel")
            && !words.path("pretokenizers").path(1).path("use_regex").asBoolean(true);
    if (byteLevel && regex.equals(GgufTokenizer.LLAMA3_WORDS) && normalizer.equals("none")) {
      return "llama-bpe";
    }
    if (byteLevel && regex.equals(GgufTokenizer.QWEN2_WORDS) && normalizer.equals("NFC")) {
      return "qwen2";
    }
    throw refused(file, "way of splitting words");
  }

  private static CheckpointException refused(Path file, String what) {
    return new CheckpointException(
        file
            + ": a tokenizer with this "
            + what
            + " cannot be written as GGUF; known are those of GPT-2, Llama 3 and Qwen2. Export --format hf and let llama.cpp's"
            + " convert_hf_to_gguf.py convert that.");
  }
}
