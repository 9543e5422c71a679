package dev.troupe.models.decoder;

import dev.troupe.models.checkpoint.ModelConfig;
import dev.troupe.models.checkpoint.Slot;
import dev.troupe.models.checkpoint.StoredWeight;
import dev.troupe.models.checkpoint.TensorData;
import dev.troupe.models.peft.AdaptedLinear;
import dev.troupe.models.peft.EmbeddingPair;
import dev.troupe.models.peft.HeadPair;
import dev.troupe.models.peft.LoraOptions;
import dev.troupe.models.peft.LoraPair;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Random;

/**
 * What LoRA trains beside the pairs of the decoder's layers: rows of the embedding, pairs of the
 * embedding and of the output matrix, five pieces; then biases of B, seven pieces per layer. Each
 * is as the adapter's file has it but for rows of queries and keys. All of it is made into weights
 * of its own in each pass, the vocabulary's too.
 */
final class BesidePieces implements Pieces {
  private static final List<AdaptedLinear> LINEARS = List.of(AdaptedLinear.values());

  /**
   * A tensor's place in the buffer.
   *
   * @param bias the layer whose rows it has
   */
  private record Place(String name, int at, long[] shape, Optional<LoraPair> bias) {
    int size() {
      return Math.toIntExact(Arrays.stream(shape).reduce(1, Math::multiplyExact));
    }
  }

  private final ModelConfig config;
  private final LoraOptions options;
  private final int firstPiece;
  private final Optional<EmbeddingPair> embedding;
  private final Optional<HeadPair> head;
  private final List<Long> sizes = new ArrayList<>();
  private final List<Place> places = new ArrayList<>();
  private final int start;

  /**
   * @param head the pair of the output matrix; empty where the base already has it
   * @param firstPiece how many pieces lie before
   * @param start how many numbers lie before
   */
  BesidePieces(
      ModelConfig config,
      LoraOptions options,
      Optional<HeadPair> head,
      int firstPiece,
      long start) {
    this.config = config;
    this.options = options;
    this.firstPiece = firstPiece;
    this.start = Math.toIntExact(start);
    embedding = options.embedding(config);
    this.head = head;
    int tokens = options.beside().tokens().size();
    add(LoraOptions.nameOfTokens(config), Optional.empty(), tokens, config.hiddenSize());
    add(
        embedding.map(EmbeddingPair::nameOfA).orElse(""),
        Optional.empty(),
        embedding.map(EmbeddingPair::rank).orElse(0),
        config.vocabSize());
    add(
        embedding.map(EmbeddingPair::nameOfB).orElse(""),
        Optional.empty(),
        config.hiddenSize(),
        embedding.map(EmbeddingPair::rank).orElse(0));
    add(
        head.map(HeadPair::nameOfA).orElse(""),
        Optional.empty(),
        head.map(HeadPair::rank).orElse(0),
        config.hiddenSize());
    add(
        head.map(HeadPair::nameOfB).orElse(""),
        Optional.empty(),
        config.vocabSize(),
        head.map(HeadPair::rank).orElse(0));
    addBiases();
  }

  /** Whether there is anything of it. */
  static boolean has(ModelConfig config, LoraOptions options, Optional<HeadPair> head) {
    return !options.beside().isEmpty() || head.isPresent() || options.embedding(config).isPresent();
  }

  private void addBiases() {
    List<LoraPair> pairs = options.beside().biasOfB() ? options.pairs(config) : List.of();
    int next = 0;
    for (int layer = 0; !pairs.isEmpty() && layer < config.layers(); layer++) {
      for (AdaptedLinear linear : LINEARS) {
        boolean adapted =
            next < pairs.size()
                && pairs.get(next).module().layer() == layer
                && pairs.get(next).module().place() == linear;
        if (adapted) {
          LoraPair pair = pairs.get(next);
          add(pair.module().nameOfBiasOfB(), Optional.of(pair), pair.module().outputs());
          next++;
        } else {
          sizes.add(0L);
        }
      }
    }
  }

  private void add(String name, Optional<LoraPair> bias, long... shape) {
    Place place = new Place(name, end(), shape, bias);
    sizes.add((long) place.size());
    if (place.size() > 0) {
      places.add(place);
    }
  }

  private int end() {
    return places.isEmpty()
        ? start
        : places.get(places.size() - 1).at() + places.get(places.size() - 1).size();
  }

  /** Where B and biases lie: each a start and a size. */
  List<long[]> spansOfB() {
    return places.stream()
        .filter(place -> place.bias().isPresent() || isB(place.name()))
        .map(place -> new long[] {place.at(), place.size()})
        .toList();
  }

  private boolean isB(String name) {
    return embedding.filter(pair -> pair.nameOfB().equals(name)).isPresent()
        || head.filter(pair -> pair.nameOfB().equals(name)).isPresent();
  }

  @Override
  public List<Long> sizes() {
    return List.copyOf(sizes);
  }

  @Override
  public Map<String, Object> attributes() {
    Map<String, Object> attributes = new LinkedHashMap<>();
    attributes.put("beside_piece", (long) firstPiece);
    attributes.put(
        "beside_tokens", options.beside().tokens().stream().mapToLong(token -> token).toArray());
    attributes.put("embedding_pair_scale", embedding.map(EmbeddingPair::scale).orElse(0.0));
    attributes.put("head_pair_scale", head.map(HeadPair::scale).orElse(0.0));
    attributes.put("biases_of_b", options.beside().biasOfB());
    return attributes;
  }

  /** Whether the output matrix is another by it. */
  boolean changesHead() {
    return head.isPresent() || (config.tiedEmbeddings() && !options.beside().tokens().isEmpty());
  }

  /** Whether the embedding is another by it. */
  boolean changesEmbedding() {
    return embedding.isPresent() || !options.beside().tokens().isEmpty();
  }

  /**
   * As in PEFT: of the embedding A zero and B normal, of the output matrix as of other layers,
   * biases zero.
   */
  @Override
  public void initialise(float[] flat, Random random) {
    for (Place place : places) {
      if (embedding.filter(pair -> pair.nameOfB().equals(place.name())).isPresent()) {
        for (int i = 0; i < place.size(); i++) {
          flat[place.at() + i] = (float) random.nextGaussian();
        }
      } else if (head.filter(pair -> pair.nameOfA().equals(place.name())).isPresent()) {
        double bound = 1 / Math.sqrt(config.hiddenSize());
        for (int i = 0; i < place.size(); i++) {
          flat[place.at() + i] = (float) (bound * (2 * random.nextDouble() - 1));
        }
      }
    }
  }

  /** Rows of tokens start as they are. */
  @Override
  public void takeFromBase(float[] flat, BaseModel base) {
    List<Integer> tokens = options.beside().tokens();
    if (tokens.isEmpty()) {
      return;
    }
    float[] rows = base.floats(0);
    int width = config.hiddenSize();
    for (int i = 0; i < tokens.size(); i++) {
      System.arraycopy(rows, tokens.get(i) * width, flat, start + i * width, width);
    }
  }

  @Override
  public void put(float[] flat, Map<String, TensorData> tensors) {
    for (Place place : places) {
      float[] values = Arrays.copyOfRange(flat, place.at(), place.at() + place.size());
      tensors.put(
          place.name(),
          TensorData.of(
              place
                  .bias()
                  .map(pair -> RowOrder.of(config, pair.module()).toCheckpoint(values))
                  .orElse(values),
              place.shape()));
    }
  }

  @Override
  public void take(float[] flat, Map<String, TensorData> tensors) {
    for (Place place : places) {
      float[] values = RowOrder.floats(tensors, place.name());
      float[] own =
          place
              .bias()
              .map(pair -> RowOrder.of(config, pair.module()).toKernels(values))
              .orElse(values);
      System.arraycopy(own, 0, flat, place.at(), own.length);
    }
  }

  @Override
  public boolean changes(StoredWeight weight) {
    return (weight.slot() == Slot.HEAD && changesHead())
        || (weight.slot() == Slot.EMBED && changesEmbedding());
  }
}
