package dev.troupe.models.tokenizer;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.troupe.models.checkpoint.CheckpointException;
import dev.troupe.models.checkpoint.JsonFile;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.Set;
import java.util.TreeMap;
import java.util.regex.Pattern;

/**
 * A BPE tokenizer as GGUF's metadata states one ({@code tokenizer.ggml.*}); what {@link
 * GgufTokenizer} reads.
 *
 * @param way in which a text becomes tokens
 * @param tokens by id
 * @param kinds of the tokens: 1 normal, 3 control, 4 user-defined, 5 unused, 6 a byte
 * @param addBos whether a text begins with the begin token
 * @param addEos whether a text ends with the end token
 */
public record GgufVocabulary(
    Way way,
    List<String> tokens,
    List<Integer> kinds,
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
  private static final int BYTE = 6;
  private static final Pattern BYTES = Pattern.compile("<0x[0-9A-F]{2}>");

  /** In which a text becomes tokens. */
  public sealed interface Way {
    /**
     * Byte-level BPE, model gpt2.
     *
     * @param split how a text is split into words, {@code tokenizer.ggml.pre}
     * @param merges in order, both sides with a blank between
     */
    record Bytes(String split, List<String> merges) implements Way {
      public Bytes {}
    }

    /**
     * SentencePiece's BPE, model llama: of two neighbours those are merged whose token scores best.
     *
     * @param scores of the tokens, by id
     * @param prefix whether a text gets a blank before it
     * @param unknown the token for what is none
     */
    record Pieces(List<Float> scores, boolean prefix, int unknown) implements Way {
      public Pieces {
        scores = List.copyOf(scores);
      }
    }
  }

  public GgufVocabulary {
    tokens = List.copyOf(tokens);
    kinds = List.copyOf(kinds);
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
    boolean pieces = json.path("model").path("byte_fallback").asBoolean();
    Way way = pieces ? pieces(json, tokens, kinds, file) : bytes(json, file);
    try (Tokenizer tokenizer = Tokenizer.load(model)) {
      tokenizer.checkFits(vocabSize);
    }
    Path configFile = model.resolve("tokenizer_config.json");
    ObjectNode config = Files.exists(configFile) ? JsonFile.read(configFile) : JsonFile.object();
    List<String> around = around(json.path("post_processor"), file);
    return new GgufVocabulary(
        way,
        pieces ? asInFile(tokens, kinds) : tokens,
        kinds,
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

  private static Way.Bytes bytes(ObjectNode json, Path file) {
    String split = split(json, file);
    return new Way.Bytes(
        split, merges(json).stream().map(merge -> merge.left() + " " + merge.right()).toList());
  }

  /** Two tokens that the tokenizer merges. */
  private record Pair(String left, String right) {}

  private static List<Pair> merges(ObjectNode json) {
    List<Pair> merges = new ArrayList<>();
    for (JsonNode merge : json.path("model").path("merges")) {
      if (merge.isArray()) {
        merges.add(new Pair(merge.get(0).asText(), merge.get(1).asText()));
      } else {
        int blank = merge.asText().indexOf(' ');
        merges.add(
            new Pair(merge.asText().substring(0, blank), merge.asText().substring(blank + 1)));
      }
    }
    return merges;
  }

  private static Way.Pieces pieces(
      ObjectNode json, List<String> tokens, List<Integer> kinds, Path file) {
    JsonNode model = json.path("model");
    if (!model.path("type").asText("BPE").equals("BPE")) {
      throw refused(file, "model " + model.path("type") + " that is not BPE");
    }
    int unknown = tokens.indexOf(model.path("unk_token").asText());
    if (unknown < 0) {
      throw refused(file, "model without a token for what is none");
    }
    boolean prefix = prefix(json, file);
    for (int id = 0; id < tokens.size(); id++) {
      // Also where tokenizer.json calls them special: they are letters.
      if (kinds.get(id) != UNUSED && BYTES.matcher(tokens.get(id)).matches()) {
        kinds.set(id, BYTE);
      }
    }
    return new Way.Pieces(scores(merges(json), tokens, kinds, file), prefix, unknown);
  }

  /** Whether a text gets a blank before it; blanks are spelt out and nothing else is changed. */
  private static boolean prefix(ObjectNode json, Path file) {
    JsonNode normalizer = json.path("normalizer");
    boolean sequence = normalizer.path("type").asText().equals("Sequence");
    JsonNode first = normalizer.path("normalizers").path(0);
    boolean prepends =
        sequence
            && normalizer.path("normalizers").size() == 2
            && first.path("type").asText().equals("Prepend")
            && first.path("prepend").asText().equals(GgufTokenizer.BLANK);
    JsonNode replace = sequence ? normalizer.path("normalizers").path(1) : normalizer;
    boolean spelt =
        replace.path("type").asText().equals("Replace")
            && replace.path("pattern").path("String").asText().equals(" ")
            && replace.path("content").asText().equals(GgufTokenizer.BLANK);
    if (!spelt || (sequence && !prepends)) {
      throw refused(file, "normalizer");
    }
    JsonNode words = json.path("pre_tokenizer");
    // Gemma's: where no blank is left there is nothing to split.
    boolean none =
        words.isMissingNode()
            || words.isNull()
            || (words.path("type").asText().equals("Split")
                && words.path("pattern").path("String").asText().equals(" "));
    if (!none) {
      throw refused(file, "way of splitting words");
    }
    return prepends;
  }

  /**
   * Scores from which the merges follow in their order: of what is merged later, lower ones. Tokens
   * whose merges stand among each other score the same.
   */
  private static List<Float> scores(
      List<Pair> merges, List<String> tokens, List<Integer> kinds, Path file) {
    Map<String, Integer> ids = new HashMap<>();
    for (int id = 0; id < tokens.size(); id++) {
      ids.put(tokens.get(id), id);
    }
    int[] made = new int[merges.size()];
    int[] last = new int[tokens.size()];
    for (int i = 0; i < made.length; i++) {
      Integer id = ids.get(merges.get(i).left() + merges.get(i).right());
      if (id == null) {
        throw refused(file, "merge, to a token that it has not,");
      }
      made[i] = id;
      last[id] = i;
    }
    // What is never made of two comes last.
    double[] scores = new double[tokens.size()];
    Arrays.fill(scores, -made.length - 1.0);
    int score = 0;
    int end = -1;
    for (int i = 0; i < made.length; i++) {
      score -= i > end ? 1 : 0;
      end = Math.max(end, last[made[i]]);
      scores[made[i]] = score;
    }
    for (int id = 0; id < scores.length; id++) {
      // As it is read, whatever is stored.
      scores[id] = kinds.get(id) == USER_DEFINED ? 0 : scores[id];
    }
    List<Pair> followed = new ArrayList<>();
    for (GgufTokenizer.Merge merge : GgufTokenizer.merges(tokens, scores)) {
      boolean never = kinds.get(merge.token()) == CONTROL && scores[merge.token()] < -made.length;
      if (!never) {
        followed.add(new Pair(merge.left(), merge.right()));
      }
    }
    if (!followed.equals(merges)) {
      throw refused(file, "order of merges, which is not that of SentencePiece's scores,");
    }
    return Arrays.stream(scores).mapToObj(value -> (float) value).toList();
  }

  /** llama.cpp has tokens of blanks as blanks. */
  private static List<String> asInFile(List<String> tokens, List<Integer> kinds) {
    List<String> stored = new ArrayList<>(tokens);
    for (int id = 0; id < stored.size(); id++) {
      String blanks = stored.get(id).replace(GgufTokenizer.BLANK, " ");
      if (kinds.get(id) == USER_DEFINED && blanks.isBlank()) {
        stored.set(id, blanks);
      }
    }
    return stored;
  }

  private static String split(ObjectNode json, Path file) {
    JsonNode model = json.path("model");
    if (!model.path("type").asText("BPE").equals("BPE")) {
      throw refused(file, "model " + model.path("type") + " that is not BPE");
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
            + " cannot be written as GGUF; known are those of GPT-2, Llama 3 and Qwen2, and SentencePiece's of Llama 2 and Gemma. Export --format hf and let llama.cpp's"
            + " convert_hf_to_gguf.py convert that.");
  }
}
