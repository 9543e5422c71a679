package dev.troupe.models.tokenizer;

import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.troupe.models.checkpoint.CheckpointException;
import dev.troupe.models.checkpoint.JsonFile;
import dev.troupe.models.checkpoint.gguf.GgufFile;
import dev.troupe.models.checkpoint.gguf.GgufMetadata;
import java.nio.DoubleBuffer;
import java.nio.LongBuffer;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;

/**
 * The tokenizer in a GGUF file's metadata as a {@code tokenizer.json} and a {@code
 * tokenizer_config.json}.
 *
 * <p>Two kinds are known: SentencePiece's BPE with scores ({@code llama}), whose merges follow from
 * the scores, and byte-level BPE ({@code gpt2}) with its merges and one of the known ways of
 * splitting a text beforehand.
 */
final class GgufTokenizer {
  private static final String PREFIX = "tokenizer.ggml.";

  /** SentencePiece's blank. */
  static final String BLANK = "\u2581";

  /** ggml's kinds of tokens. */
  private static final int UNKNOWN = 2;

  private static final int CONTROL = 3;
  private static final int USER_DEFINED = 4;

  /** How Llama 3 splits a text into words. */
  static final String LLAMA3_WORDS =
      "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+";

  /** Qwen's words: as Llama 3's, with each digit by itself. */
  static final String QWEN2_WORDS = LLAMA3_WORDS.replace("\\p{N}{1,3}", "\\p{N}");

  private final GgufFile file;
  private final GgufMetadata metadata;
  private final List<String> tokens;
  private final List<Integer> kinds;

  private GgufTokenizer(GgufFile file) {
    this.file = file;
    this.metadata = new GgufMetadata(file);
    List<String> stored =
        metadata
            .texts(PREFIX + "tokens")
            .orElseThrow(
                () ->
                    new CheckpointException(
                        file.path() + " has no tokenizer (" + PREFIX + "tokens)."));
    this.kinds = kinds(stored.size());
    this.tokens = new ArrayList<>(stored.size());
    for (int id = 0; id < stored.size(); id++) {
      String token = stored.get(id);
      // llama.cpp has tokens of blanks as blanks; in the model's own vocabulary they are spelt out.
      boolean blanks = kinds.get(id) == USER_DEFINED && !token.isEmpty() && token.isBlank();
      tokens.add(isPieces() && blanks ? token.replace(" ", BLANK) : token);
    }
  }

  /** The {@code tokenizer.json} of a file. */
  static ObjectNode json(GgufFile file) {
    return new GgufTokenizer(file).json();
  }

  /** The {@code tokenizer_config.json} of a file. */
  static ObjectNode config(GgufFile file) {
    return new GgufTokenizer(file).config();
  }

  private boolean isPieces() {
    return model().equals("llama");
  }

  private String model() {
    return metadata.text(PREFIX + "model").orElse("");
  }

  private List<Integer> kinds(int count) {
    List<Integer> all = new ArrayList<>(count);
    Optional<LongBuffer> stored = metadata.wholes(PREFIX + "token_type");
    if (stored.isPresent() && stored.get().remaining() != count) {
      throw new CheckpointException(
          String.format(
              Locale.ROOT,
              "%s: %stoken_type has %d entries, expected one for each of the %d tokens.",
              file.path(),
              PREFIX,
              stored.get().remaining(),
              count));
    }
    for (int id = 0; id < count; id++) {
      all.add(stored.isPresent() ? (int) stored.get().get(id) : 1);
    }
    return all;
  }

  private ObjectNode json() {
    ObjectNode json = JsonFile.object();
    json.put("version", "1.0");
    json.putNull("truncation");
    json.putNull("padding");
    ArrayNode added = json.putArray("added_tokens");
    for (int id = 0; id < tokens.size(); id++) {
      int kind = kinds.get(id);
      if (kind == CONTROL || kind == USER_DEFINED || kind == UNKNOWN) {
        added
            .addObject()
            .put("id", id)
            .put("content", tokens.get(id))
            .put("single_word", false)
            .put("lstrip", false)
            .put("rstrip", false)
            .put("normalized", false)
            .put("special", kind != USER_DEFINED);
      }
    }
    switch (model()) {
      case "llama" -> pieces(json);
      case "gpt2" -> bytes(json);
      default ->
          throw new CheckpointException(
              String.format(
                  Locale.ROOT,
                  "%s: the tokenizer model '%s' is not known; known are llama (SentencePiece BPE) and gpt2 (byte-level BPE). Use the Hugging Face checkpoint.",
                  file.path(),
                  model()));
    }
    surroundings(json);
    return json;
  }

  /** SentencePiece: blanks spelt out, merges by score, unknown letters as bytes. */
  private void pieces(ObjectNode json) {
    boolean prefix = metadata.flag(PREFIX + "add_space_prefix").orElse(true);
    ObjectNode replace = JsonFile.object().put("type", "Replace");
    replace.putObject("pattern").put("String", " ");
    replace.put("content", BLANK);
    if (prefix) {
      ObjectNode sequence = json.putObject("normalizer").put("type", "Sequence");
      ArrayNode normalizers = sequence.putArray("normalizers");
      normalizers.addObject().put("type", "Prepend").put("prepend", BLANK);
      normalizers.add(replace);
    } else {
      json.set("normalizer", replace);
    }
    json.putNull("pre_tokenizer");
    ArrayNode decoders = json.putObject("decoder").put("type", "Sequence").putArray("decoders");
    ObjectNode back = decoders.addObject().put("type", "Replace");
    back.putObject("pattern").put("String", BLANK);
    back.put("content", " ");
    decoders.addObject().put("type", "ByteFallback");
    decoders.addObject().put("type", "Fuse");
    if (prefix) {
      decoders.addObject().put("type", "Strip").put("content", " ").put("start", 1).put("stop", 0);
    }
    ObjectNode model = model(json, true);
    model.put("unk_token", tokens.get(unknown()));
    model.put("fuse_unk", true);
    model.put("byte_fallback", true);
    ArrayNode merges = model.putArray("merges");
    for (Merge merge : merges(tokens, scores())) {
      merges.addArray().add(merge.left()).add(merge.right());
    }
  }

  /** GPT-2's kind: letters are bytes, merges as they stand in the file. */
  private void bytes(ObjectNode json) {
    String split = metadata.text(PREFIX + "pre").orElse("default");
    switch (split) {
      case "default", "gpt-2" -> {
        json.putNull("normalizer");
        byteLevel(json.putObject("pre_tokenizer"), true);
      }
      case "llama-bpe" -> words(json, LLAMA3_WORDS, false);
      case "qwen2" -> words(json, QWEN2_WORDS, true);
      default ->
          throw new CheckpointException(
              String.format(
                  Locale.ROOT,
                  "%s: the tokenizer splits words in the way '%s' (%spre), which is not known; known are default, gpt-2, llama-bpe, qwen2. Use the Hugging Face checkpoint.",
                  file.path(),
                  split,
                  PREFIX));
    }
    byteLevel(json.putObject("decoder"), true);
    ObjectNode model = model(json, false);
    model.put("ignore_merges", split.equals("llama-bpe"));
    ArrayNode merges = model.putArray("merges");
    List<String> stored =
        metadata
            .texts(PREFIX + "merges")
            .orElseThrow(
                () ->
                    new CheckpointException(
                        file.path() + ": the tokenizer has no " + PREFIX + "merges."));
    stored.forEach(merges::add);
  }

  private static void words(ObjectNode json, String regex, boolean compose) {
    if (compose) {
      json.putObject("normalizer").put("type", "NFC");
    } else {
      json.putNull("normalizer");
    }
    ArrayNode steps =
        json.putObject("pre_tokenizer").put("type", "Sequence").putArray("pretokenizers");
    ObjectNode split = steps.addObject().put("type", "Split");
    split.putObject("pattern").put("Regex", regex);
    split.put("behavior", "Isolated").put("invert", false);
    byteLevel(steps.addObject(), false);
  }

  private static void byteLevel(ObjectNode node, boolean regex) {
    node.put("type", "ByteLevel")
        .put("add_prefix_space", false)
        .put("trim_offsets", false)
        .put("use_regex", regex);
  }

  private ObjectNode model(ObjectNode json, boolean unknown) {
    ObjectNode model = json.putObject("model").put("type", "BPE");
    model.putNull("dropout");
    if (!unknown) {
      model.putNull("unk_token");
    }
    ObjectNode vocab = model.putObject("vocab");
    for (int id = 0; id < tokens.size(); id++) {
      if (vocab.has(tokens.get(id))) {
        throw new CheckpointException(
            String.format(
                Locale.ROOT,
                "%s: the tokenizer has the token '%s' twice, as %d and %s.",
                file.path(),
                tokens.get(id),
                id,
                vocab.get(tokens.get(id))));
      }
      vocab.put(tokens.get(id), id);
    }
    return model;
  }

  private int unknown() {
    long stated = metadata.whole(PREFIX + "unknown_token_id").orElse(0L);
    if (stated < 0 || stated >= tokens.size()) {
      throw outside("unknown_token_id", stated);
    }
    return (int) stated;
  }

  private CheckpointException outside(String key, long id) {
    return new CheckpointException(
        String.format(
            Locale.ROOT,
            "%s: %s%s is %d, which is outside of the vocabulary of %d.",
            file.path(),
            PREFIX,
            key,
            id,
            tokens.size()));
  }

  private double[] scores() {
    DoubleBuffer stored =
        metadata
            .numbers(PREFIX + "scores")
            .orElseThrow(
                () ->
                    new CheckpointException(
                        file.path() + ": the tokenizer has no " + PREFIX + "scores."));
    if (stored.remaining() != tokens.size()) {
      throw new CheckpointException(
          String.format(
              Locale.ROOT,
              "%s: %sscores has %d entries, expected one for each of the %d tokens.",
              file.path(),
              PREFIX,
              stored.remaining(),
              tokens.size()));
    }
    double[] scores = new double[tokens.size()];
    for (int id = 0; id < scores.length; id++) {
      // What SentencePiece takes as it stands comes before all merges.
      scores[id] = kinds.get(id) == USER_DEFINED ? 0 : stored.get(id);
    }
    return scores;
  }

  /**
   * Two tokens that make one.
   *
   * @param lefts letters of the left one
   * @param token the id of what they make
   */
  record Merge(String left, String right, double score, long lefts, int token) {}

  /**
   * Every way to make a token of two, best score first: SentencePiece merges the pair whose result
   * scores best. Among the ways to one token the longer left side comes first.
   */
  static List<Merge> merges(List<String> tokens, double[] scores) {
    Map<String, Integer> ids = new HashMap<>();
    for (int id = 0; id < tokens.size(); id++) {
      ids.put(tokens.get(id), id);
    }
    List<Merge> merges = new ArrayList<>();
    for (int id = 0; id < tokens.size(); id++) {
      String token = tokens.get(id);
      for (int at = token.offsetByCodePoints(0, token.isEmpty() ? 0 : 1);
          at < token.length();
          at = token.offsetByCodePoints(at, 1)) {
        String left = token.substring(0, at);
        String right = token.substring(at);
        if (ids.containsKey(left) && ids.containsKey(right)) {
          merges.add(new Merge(left, right, scores[id], left.codePointCount(0, left.length()), id));
        }
      }
    }
    merges.sort(
        Comparator.comparingDouble(Merge::score)
            .reversed()
            .thenComparing(Comparator.comparingLong(Merge::lefts).reversed())
            .thenComparingInt(Merge::token));
    return merges;
  }

  /** What stands around a whole document. */
  private void surroundings(ObjectNode json) {
    boolean bos = metadata.flag(PREFIX + "add_bos_token").orElse(isPieces());
    boolean eos = metadata.flag(PREFIX + "add_eos_token").orElse(false);
    ObjectNode processor = json.putObject("post_processor").put("type", "TemplateProcessing");
    ArrayNode single = processor.putArray("single");
    ArrayNode pair = processor.putArray("pair");
    ObjectNode special = processor.putObject("special_tokens");
    Optional<String> begin = bos ? token("bos_token_id") : Optional.empty();
    Optional<String> end = eos ? token("eos_token_id") : Optional.empty();
    begin.ifPresent(token -> single.addObject().set("SpecialToken", special(token)));
    single.addObject().set("Sequence", JsonFile.object().put("id", "A").put("type_id", 0));
    end.ifPresent(token -> single.addObject().set("SpecialToken", special(token)));
    pair.addAll(single);
    pair.addObject().set("Sequence", JsonFile.object().put("id", "B").put("type_id", 1));
    for (Optional<String> token : List.of(begin, end)) {
      token.ifPresent(
          content -> {
            ObjectNode entry = special.putObject(content).put("id", content);
            entry.putArray("ids").add(tokens.indexOf(content));
            entry.putArray("tokens").add(content);
          });
    }
  }

  private static ObjectNode special(String token) {
    return JsonFile.object().put("id", token).put("type_id", 0);
  }

  private Optional<String> token(String key) {
    Optional<Long> id = metadata.whole(PREFIX + key);
    if (id.isPresent() && (id.get() < 0 || id.get() >= tokens.size())) {
      throw outside(key, id.get());
    }
    return id.map(value -> tokens.get((int) (long) value));
  }

  private ObjectNode config() {
    ObjectNode config = JsonFile.object();
    config.put("tokenizer_class", "PreTrainedTokenizerFast");
    token("bos_token_id").ifPresent(token -> config.put("bos_token", token));
    token("eos_token_id").ifPresent(token -> config.put("eos_token", token));
    token("padding_token_id").ifPresent(token -> config.put("pad_token", token));
    token("unknown_token_id").ifPresent(token -> config.put("unk_token", token));
    metadata
        .text("tokenizer.chat_template")
        .ifPresent(template -> config.put("chat_template", template));
    return config;
  }
}
