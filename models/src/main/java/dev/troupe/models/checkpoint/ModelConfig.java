package dev.troupe.models.checkpoint;

import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.troupe.models.checkpoint.Decoder.Positions;
import dev.troupe.models.checkpoint.StoredWeight.Part;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.EnumSet;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.Set;
import java.util.stream.Stream;

/**
 * What a Hugging Face {@code config.json} says of a decoder. Keys that are absent take the defaults
 * of {@code transformers}, but the five sizes of the network must be there.
 *
 * @param architecture the class that {@code transformers} would build, {@value #LLAMA} for example
 * @param vocabSize rows of the embedding
 * @param hiddenSize width of the residual stream
 * @param intermediateSize width inside the feed-forward network
 * @param layers number of decoder layers
 * @param heads query heads
 * @param kvHeads key and value heads; divides {@code heads}
 * @param headDim width of one head
 * @param normEps added to the mean square or variance in every norm
 * @param maxPositionEmbeddings context length in tokens
 * @param tiedEmbeddings whether the output matrix is the embedding
 * @param eosTokenIds tokens that end a text, the first being the one to append; may be empty; those
 *     of a {@code generation_config.json} beside it stand behind
 * @param bosTokenId the token that starts a text
 * @param padTokenId the token that fills up
 * @param decoder what else distinguishes the family
 * @param source the file's content but for the type of its weights, for writing it again
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
    double normEps,
    int maxPositionEmbeddings,
    boolean tiedEmbeddings,
    List<Integer> eosTokenIds,
    OptionalInt bosTokenId,
    OptionalInt padTokenId,
    Decoder decoder,
    ObjectNode source) {
  /** The key of a checkpoint whose weights are quantised. */
  public static final String QUANTISATION = "quantization_config";

  /** The architecture that fresh models have. */
  public static final String LLAMA = "LlamaForCausalLM";

  /** Norms and biases stand behind the matrices in a checkpoint that is written. */
  private static final Set<Slot> MATRICES = EnumSet.of(Slot.QKV, Slot.OUT, Slot.UP, Slot.DOWN);

  private static final Set<Slot> LAST = EnumSet.of(Slot.NORM, Slot.NORM_BIAS, Slot.HEAD);

  public ModelConfig {
    eosTokenIds = List.copyOf(eosTokenIds);
    source = source.deepCopy().without(List.of("torch_dtype", "dtype"));
    positive("vocab_size", vocabSize);
    positive("hidden_size", hiddenSize);
    positive("intermediate_size", intermediateSize);
    positive("num_attention_heads", heads);
    positive("num_key_value_heads", kvHeads);
    positive("head_dim", headDim);
    positive("max_position_embeddings", maxPositionEmbeddings);
    ConfigKeys.require(
        heads % kvHeads == 0,
        "num_attention_heads " + heads + " is not a multiple of num_key_value_heads " + kvHeads);
    fits("num_attention_heads times head_dim, with keys and values,", 3L * heads, headDim);
    fits("intermediate_size", 2, intermediateSize);
    // Longrope has two tables.
    fits("twice max_position_embeddings times head_dim", 2L * maxPositionEmbeddings, headDim);
    for (int eos : eosTokenIds) {
      ConfigKeys.require(
          eos >= 0 && eos < vocabSize,
          "eos_token_id " + eos + " is outside of the vocabulary of " + vocabSize);
    }
  }

  /** A fresh Llama's. */
  public static ModelConfig llama(
      int vocabSize,
      int hiddenSize,
      int intermediateSize,
      int layers,
      int heads,
      int kvHeads,
      int headDim,
      double normEps,
      double ropeTheta,
      int maxPositionEmbeddings,
      boolean tiedEmbeddings,
      List<Integer> eosTokenIds,
      OptionalInt bosTokenId,
      OptionalInt padTokenId) {
    ObjectNode json = JsonFile.object();
    json.putArray("architectures").add(LLAMA);
    json.put("model_type", "llama");
    json.put("vocab_size", vocabSize);
    json.put("hidden_size", hiddenSize);
    json.put("intermediate_size", intermediateSize);
    json.put("num_hidden_layers", layers);
    json.put("num_attention_heads", heads);
    json.put("num_key_value_heads", kvHeads);
    json.put("head_dim", headDim);
    json.put("hidden_act", "silu");
    json.put("rms_norm_eps", normEps);
    json.put("rope_theta", ropeTheta);
    json.put("max_position_embeddings", maxPositionEmbeddings);
    json.put("tie_word_embeddings", tiedEmbeddings);
    json.put("attention_bias", false);
    json.put("mlp_bias", false);
    putTokens(json, eosTokenIds, bosTokenId, padTokenId);
    return Families.read(new ConfigKeys(json));
  }

  /** The file's content but for the type of its weights; a copy. */
  @Override
  public ObjectNode source() {
    return source.deepCopy();
  }

  /**
   * Reads a {@code config.json}, or what a GGUF file says in its place.
   *
   * @param path the file itself, the directory it lies in, or a .gguf file
   * @throws CheckpointException when it is missing, malformed, or of a model that cannot be run
   */
  public static ModelConfig read(Path path) {
    return PublishedConfig.read(path).config();
  }

  /** The same with an output matrix of its own. */
  public ModelConfig untied() {
    ObjectNode untied = source();
    untied.put("tie_word_embeddings", false);
    return with(false, eosTokenIds, untied);
  }

  /** The same with more ends of text behind its own. */
  ModelConfig withEnds(List<Integer> more) {
    Set<Integer> ends = new LinkedHashSet<>(eosTokenIds);
    ends.addAll(more);
    return with(tiedEmbeddings, List.copyOf(ends), source);
  }

  /** Without an output matrix: of a model that writes no text. */
  ModelConfig tied() {
    ObjectNode json = source();
    json.put("tie_word_embeddings", true);
    return with(true, eosTokenIds, json);
  }

  private ModelConfig with(boolean tied, List<Integer> ends, ObjectNode json) {
    return new ModelConfig(
        architecture,
        vocabSize,
        hiddenSize,
        intermediateSize,
        layers,
        heads,
        kvHeads,
        headDim,
        normEps,
        maxPositionEmbeddings,
        tied,
        ends,
        bosTokenId,
        padTokenId,
        decoder,
        json);
  }

  /** Whether a path is meant to be a GGUF file: a model in one file, tokenizer included. */
  public static boolean isGguf(Path path) {
    return path.toString().endsWith(".gguf");
  }

  /** As {@link #read}, from parsed JSON; {@code where} names it in errors. */
  public static ModelConfig parse(ObjectNode json, String where) {
    try {
      return Families.read(new ConfigKeys(json));
    } catch (IllegalArgumentException e) {
      throw new CheckpointException(where + ": " + e.getMessage() + ".", e);
    }
  }

  /**
   * The rotary frequencies of one head, in radians per position, fastest first, scaling included;
   * {@code headDim / 2} of them, 0 for the pairs that do not turn; none without rotary positions.
   */
  public double[] rotaryFrequencies() {
    return turns(false).map(turns -> turns.frequencies(false)).orElse(new double[0]);
  }

  /** As {@link #rotaryFrequencies}, of local layers; none where they are the same. */
  public double[] localRotaryFrequencies() {
    return turns(true).map(turns -> turns.frequencies(false)).orElse(new double[0]);
  }

  /**
   * How the positions of a head turn; empty without rotation.
   *
   * @param local of local layers; empty where they turn as all others
   */
  public Optional<Turns> turns(boolean local) {
    if (!(decoder.positions() instanceof Positions.Rotary rotary)) {
      return Optional.empty();
    }
    return local
        ? rotary
            .local()
            .map(near -> new Turns(headDim, rotary.dims(), near.theta(), near.scaling()))
        : Optional.of(new Turns(headDim, rotary.dims(), rotary.theta(), rotary.scaling()));
  }

  /**
   * Tokens of the longest text whose positions turn as those of every shorter one: the context, but
   * where longrope has other frequencies beyond its original one.
   */
  public int steadyContext() {
    return Stream.of(false, true)
        .flatMap(local -> turns(local).stream())
        .mapToInt(turns -> turns.original(maxPositionEmbeddings))
        .filter(original -> original > 0)
        .reduce(maxPositionEmbeddings, Math::min);
  }

  /** The kernels' list of weights, {@link Slot} by slot, then layer by layer. */
  public List<StoredWeight> weights() {
    List<StoredWeight> weights = new ArrayList<>();
    for (Slot slot : Slot.values()) {
      if (!slot.isOfLayer()) {
        weights.add(stored(slot, 0));
      }
    }
    for (int layer = 0; layer < layers; layer++) {
      for (Slot slot : Slot.values()) {
        if (slot.isOfLayer()) {
          weights.add(stored(slot, layer));
        }
      }
    }
    return weights;
  }

  /** One weight of {@link #weights}; {@code layer} is 0 for those of the whole network. */
  public StoredWeight stored(Slot slot, int layer) {
    Decoder.Names names = decoder.names();
    Decoder.Norms norms = decoder.norms();
    Decoder.Attention attention = decoder.attention();
    Decoder.Mlp mlp = decoder.mlp();
    int q = heads * headDim;
    int kv = kvHeads * headDim;
    int[] qkv = names.qkv().size() == 1 ? new int[] {q + 2 * kv} : new int[] {q, kv, kv};
    int inner = intermediateSize;
    int[] up =
        names.up().size() == 1
            ? new int[] {mlp.gated() ? 2 * inner : inner}
            : new int[] {inner, inner};
    int d = hiddenSize;
    String at = String.format(Locale.ROOT, names.layer(), layer);
    return switch (slot) {
      case EMBED -> matrix(slot, 0, List.of(names.embed()), d, vocabSize);
      case NORM -> vector(slot, 0, names.norm(), d, true);
      case NORM_BIAS -> vector(slot, 0, names.norm(), d, norms.layer());
      case HEAD ->
          tiedEmbeddings ? none(slot, 0) : matrix(slot, 0, List.of(names.head()), d, vocabSize);
      case ROPE, LOCAL_ROPE -> none(slot, 0);
      case POSITIONS ->
          decoder.positions() instanceof Positions.Learned learned
              ? matrix(
                  slot, 0, List.of(names.positions()), d, maxPositionEmbeddings + learned.offset())
              : none(slot, 0);
      case EMBED_NORM -> vector(slot, 0, names.embedNorm(), d, norms.embedding());
      case EMBED_NORM_BIAS ->
          vector(slot, 0, names.embedNorm(), d, norms.embedding() && norms.layer());
      case ATTENTION_NORM -> vector(slot, layer, at + names.attentionNorm(), d, true);
      case ATTENTION_NORM_BIAS -> vector(slot, layer, at + names.attentionNorm(), d, norms.layer());
      case QKV -> matrix(slot, layer, prefixed(at, names.qkv()), d, qkv);
      case QKV_BIAS ->
          attention.qkvBias()
              ? bias(slot, layer, prefixed(at, names.qkv()), qkv)
              : none(slot, layer);
      case Q_NORM -> vector(slot, layer, at + "self_attn.q_norm", headDim, norms.qk());
      case K_NORM -> vector(slot, layer, at + "self_attn.k_norm", headDim, norms.qk());
      case OUT -> matrix(slot, layer, List.of(at + names.out()), q, d);
      case OUT_BIAS -> vector(slot, layer, at + names.out(), d, attention.outBias());
      case POST_ATTENTION_NORM ->
          vector(slot, layer, at + names.postAttentionNorm(), d, norms.post());
      case MLP_NORM -> vector(slot, layer, at + names.mlpNorm(), d, true);
      case MLP_NORM_BIAS -> vector(slot, layer, at + names.mlpNorm(), d, norms.layer());
      case UP -> matrix(slot, layer, prefixed(at, names.up()), d, up);
      case UP_BIAS ->
          mlp.bias() ? bias(slot, layer, prefixed(at, names.up()), up) : none(slot, layer);
      case DOWN -> matrix(slot, layer, List.of(at + names.down()), inner, d);
      case DOWN_BIAS -> vector(slot, layer, at + names.down(), d, mlp.bias());
      case POST_MLP_NORM -> vector(slot, layer, at + names.postMlpNorm(), d, norms.post());
    };
  }

  private static List<String> prefixed(String prefix, List<String> names) {
    return names.stream().map(name -> prefix + name).toList();
  }

  private StoredWeight matrix(Slot slot, int layer, List<String> names, int columns, int... rows) {
    boolean transposed = decoder.attention().transposed() && slot.isOfLayer();
    return new StoredWeight(slot, layer, parts(names, ".weight", rows), columns, transposed);
  }

  private static StoredWeight bias(Slot slot, int layer, List<String> names, int... rows) {
    return new StoredWeight(slot, layer, parts(names, ".bias", rows), 0, false);
  }

  private static StoredWeight vector(Slot slot, int layer, String name, int rows, boolean there) {
    if (!there) {
      return none(slot, layer);
    }
    String suffix = slot.isBias() ? ".bias" : ".weight";
    return new StoredWeight(slot, layer, parts(List.of(name), suffix, rows), 0, false);
  }

  private static StoredWeight none(Slot slot, int layer) {
    return new StoredWeight(slot, layer, List.of(), 0, false);
  }

  private static List<Part> parts(List<String> names, String suffix, int... rows) {
    List<Part> parts = new ArrayList<>();
    for (int i = 0; i < names.size(); i++) {
      parts.add(new Part(names.get(i) + suffix, rows[i]));
    }
    return parts;
  }

  /**
   * Every tensor that a checkpoint of this model has, by its Hugging Face name, in the order of the
   * network.
   */
  public Map<String, Shape> tensors() {
    Map<String, Shape> tensors = new LinkedHashMap<>();
    inOrder()
        .forEach(
            weight ->
                weight.parts().forEach(part -> tensors.put(part.name(), weight.shapeOf(part))));
    return tensors;
  }

  /** What each of {@link #tensors} is for. */
  public Map<String, Slot> slots() {
    Map<String, Slot> slots = new LinkedHashMap<>();
    inOrder()
        .forEach(weight -> weight.parts().forEach(part -> slots.put(part.name(), weight.slot())));
    return slots;
  }

  private List<StoredWeight> inOrder() {
    List<StoredWeight> all = weights();
    List<StoredWeight> ordered = new ArrayList<>();
    all.stream()
        .limit(Slot.GLOBALS)
        .filter(weight -> !LAST.contains(weight.slot()))
        .forEach(ordered::add);
    for (int layer = 0; layer < layers; layer++) {
      int at = Slot.GLOBALS + layer * Slot.PER_LAYER;
      List<StoredWeight> those = all.subList(at, at + Slot.PER_LAYER);
      those.stream().filter(weight -> MATRICES.contains(weight.slot())).forEach(ordered::add);
      those.stream().filter(weight -> !MATRICES.contains(weight.slot())).forEach(ordered::add);
    }
    all.stream()
        .limit(Slot.GLOBALS)
        .filter(weight -> LAST.contains(weight.slot()))
        .forEach(ordered::add);
    return ordered;
  }

  /**
   * The {@code config.json} that {@code transformers} reads back to the same model: the one that
   * was read, keys included that mean nothing here.
   */
  public ObjectNode toJson(DType dtype) {
    ObjectNode json = source();
    json.put("torch_dtype", dtype.torchName());
    json.remove(QUANTISATION);
    return json;
  }

  /** The {@code generation_config.json} beside it: the special tokens alone. */
  ObjectNode generationJson() {
    ObjectNode json = JsonFile.object();
    json.put("_from_model_config", true);
    putTokens(json, eosTokenIds, bosTokenId, padTokenId);
    return json;
  }

  private static void putTokens(
      ObjectNode json, List<Integer> eosTokenIds, OptionalInt bosTokenId, OptionalInt padTokenId) {
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

  /** Rows of a weight, or numbers of a table, are counted by an int. */
  private static void fits(String what, long count, long times) {
    ConfigKeys.require(
        count <= Integer.MAX_VALUE / times, what + " is too large: " + count + " times " + times);
  }

  private static void positive(String key, int value) {
    ConfigKeys.require(value > 0, key + " must be positive, found " + value);
  }
}
