package dev.troupe.models.decoder;

import dev.troupe.models.checkpoint.ModelConfig;
import dev.troupe.models.checkpoint.Slot;
import dev.troupe.models.checkpoint.StoredWeight;
import dev.troupe.models.checkpoint.TensorData;
import dev.troupe.models.peft.PrefixTuning;
import dev.troupe.models.peft.PromptMethod;
import dev.troupe.models.peft.PromptMethod.EncoderLayer.Activation;
import dev.troupe.models.peft.PromptMethod.Parameter;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;

/** What virtual tokens are, or the encoder whose output they are: each tensor one piece. */
final class PromptPieces implements Pieces {
  private final ModelConfig config;
  private final PromptMethod method;
  private final int firstPiece;
  private final int start;

  /**
   * @param firstPiece how many pieces lie before
   * @param start how many numbers lie before
   */
  PromptPieces(ModelConfig config, PromptMethod method, int firstPiece, long start) {
    this.config = config;
    this.method = method;
    this.firstPiece = firstPiece;
    this.start = Math.toIntExact(start);
  }

  /** Class path names of its kernel texts. */
  List<String> texts(boolean ofTraining) {
    String kind = method instanceof PrefixTuning ? "prefix" : "prompt";
    return List.of(
        "/kernels/methods/virtual.py",
        "/kernels/methods/" + kind + (ofTraining ? "_train.py" : "_generate.py"));
  }

  private interface Each {
    void of(Parameter parameter, int at, int size);
  }

  private void forEach(Each each) {
    int at = start;
    for (Parameter parameter : method.parameters()) {
      int size = Math.toIntExact(parameter.shape().elements());
      each.of(parameter, at, size);
      at += size;
    }
  }

  @Override
  public List<Long> sizes() {
    return method.parameters().stream().map(each -> each.shape().elements()).toList();
  }

  @Override
  public Map<String, Object> attributes() {
    Map<String, Object> attributes = new LinkedHashMap<>();
    attributes.put("virtual_piece", (long) firstPiece);
    attributes.put("virtual_tokens", (long) method.tokens());
    attributes.put(
        "encoder_activations",
        method.encoder().stream().mapToLong(layer -> code(layer.activation())).toArray());
    attributes.put("head_order", headOrder());
    return attributes;
  }

  private static long code(Activation activation) {
    return switch (activation) {
      case NONE -> 0;
      case RELU -> 1;
      case TANH -> 2;
    };
  }

  /** Of the numbers of a key: where the checkpoint has what the kernels have; empty where there. */
  private long[] headOrder() {
    int[] order = FusedWeights.order(config, Slot.QKV);
    int first = config.heads() * config.headDim();
    return order.length == 0
        ? new long[0]
        : Arrays.stream(order, first, first + config.headDim())
            .mapToLong(row -> row % config.headDim())
            .toArray();
  }

  @Override
  public void initialise(float[] flat, Random random) {
    forEach(
        (parameter, at, size) -> {
          for (int i = 0; i < size; i++) {
            flat[at + i] = (float) parameter.start().applyAsDouble(random);
          }
        });
  }

  @Override
  public void takeFromBase(float[] flat, BaseModel base) {
    List<Integer> tokens = method.startTokens();
    if (tokens.isEmpty()) {
      return;
    }
    float[] rows = base.floats(0);
    // Embeddings as the model's first layer has them: virtual ones are not multiplied.
    double factor = config.decoder().embeddingScale();
    for (int i = 0; i < method.tokens(); i++) {
      int from = tokens.get(i) * method.width();
      for (int j = 0; j < method.width(); j++) {
        flat[start + i * method.width() + j] = (float) (factor * rows[from + j]);
      }
    }
  }

  @Override
  public void put(float[] flat, Map<String, TensorData> tensors) {
    forEach(
        (parameter, at, size) ->
            tensors.put(
                parameter.name(),
                TensorData.of(
                    Arrays.copyOfRange(flat, at, at + size), parameter.shape().toArray())));
    if (!method.encoder().isEmpty()) {
      tensors.put(
          PromptMethod.EMBEDDINGS,
          TensorData.of(method.encoded(tensors), method.tokens(), method.width()));
    }
  }

  @Override
  public void take(float[] flat, Map<String, TensorData> tensors) {
    forEach(
        (parameter, at, size) -> {
          if (!tensors.containsKey(parameter.name())) {
            throw new IllegalArgumentException(
                "the adapter has the output of an encoder alone, as PEFT keeps it, and not the"
                    + " encoder: it can be used, and its training cannot go on");
          }
          System.arraycopy(RowOrder.floats(tensors, parameter.name()), 0, flat, at, size);
        });
  }

  @Override
  public boolean changes(StoredWeight weight) {
    return false;
  }
}
