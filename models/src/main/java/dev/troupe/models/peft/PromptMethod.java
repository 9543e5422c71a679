package dev.troupe.models.peft;

import dev.troupe.models.checkpoint.ModelConfig;
import dev.troupe.models.checkpoint.Shape;
import dev.troupe.models.checkpoint.TensorData;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Random;
import java.util.function.ToDoubleFunction;

/**
 * A method that puts virtual tokens before every text: none of the model's weights is another by
 * it, so that it runs beside them in sampling too.
 *
 * <p>The adapter's file has one tensor, {@link #EMBEDDINGS}, what the virtual tokens are. Where
 * they are trained as the output of an encoder, its parameters stand in a file of their own, as
 * PEFT keeps none of them and cannot go on from an adapter.
 */
public sealed interface PromptMethod extends PeftMethod
    permits PrefixTuning, PromptTuning, PTuning {
  /** What the virtual tokens are, {@code (tokens, width)}. */
  String EMBEDDINGS = "prompt_embeddings";

  /** What the names of an encoder's tensors begin with. */
  String ENCODER = "prompt_encoder.";

  /**
   * The sizes of a model that PEFT writes down.
   *
   * @param width of an embedding, or of all keys of a layer
   * @param heads of queries, or of keys
   * @param layers of the decoder
   */
  record Sizes(int width, int heads, int layers) {
    /** Of what stands where embeddings do. */
    static Sizes ofEmbeddings(ModelConfig model) {
      return new Sizes(model.hiddenSize(), model.heads(), model.layers());
    }

    /** Of keys and values. */
    static Sizes ofKeys(ModelConfig model) {
      return new Sizes(model.kvHeads() * model.headDim(), model.kvHeads(), model.layers());
    }
  }

  /**
   * A tensor of the buffer.
   *
   * @param name in the adapter
   * @param start of each number
   */
  record Parameter(String name, Shape shape, ToDoubleFunction<Random> start) {}

  /** How many virtual tokens. */
  int tokens();

  /** The model's. */
  Sizes sizes();

  /** Those of a model. */
  Sizes sizesOf(ModelConfig model);

  /** Numbers of a virtual token. */
  int width();

  /** Layers of the encoder whose output they are; none where they are trained as they are. */
  List<EncoderLayer> encoder();

  /** The same virtual tokens, to be used as they are. */
  PromptMethod withoutEncoder();

  /** Tokens of the vocabulary whose embeddings the virtual ones start as; empty for none. */
  default List<Integer> startTokens() {
    return List.of();
  }

  /**
   * One linear layer of an encoder.
   *
   * @param name of its weight and bias, without these words
   * @param activation behind it
   */
  record EncoderLayer(String name, int inputs, int outputs, Activation activation) {
    /** What an encoder's layers have behind them. */
    public enum Activation {
      NONE,
      RELU,
      TANH
    }
  }

  /** What is trained, in the order of the buffer. */
  default List<Parameter> parameters() {
    if (encoder().isEmpty()) {
      return List.of(new Parameter(EMBEDDINGS, Shape.of(tokens(), width()), start()));
    }
    List<Parameter> found = new ArrayList<>();
    found.add(
        new Parameter(
            ENCODER + "embedding.weight",
            Shape.of(tokens(), encoder().get(0).inputs()),
            Random::nextGaussian));
    for (EncoderLayer layer : encoder()) {
      // As torch starts a linear layer.
      ToDoubleFunction<Random> start = ModuleTensor.kaiming(layer.inputs());
      found.add(
          new Parameter(
              ENCODER + layer.name() + ".weight",
              Shape.of(layer.outputs(), layer.inputs()),
              start));
      found.add(new Parameter(ENCODER + layer.name() + ".bias", Shape.of(layer.outputs()), start));
    }
    return found;
  }

  /** How virtual tokens start that are trained as they are. */
  default ToDoubleFunction<Random> start() {
    return Random::nextGaussian;
  }

  /** What the virtual tokens are, row by row, of an adapter with an encoder's parameters. */
  default float[] encoded(Map<String, TensorData> tensors) {
    double[] rows = doubles(tensors, ENCODER + "embedding.weight");
    for (EncoderLayer layer : encoder()) {
      double[] weight = doubles(tensors, ENCODER + layer.name() + ".weight");
      double[] bias = doubles(tensors, ENCODER + layer.name() + ".bias");
      double[] inputs = rows;
      double[] out = new double[tokens() * layer.outputs()];
      Rows.each(
          out.length,
          at -> {
            int token = at / layer.outputs();
            int row = at % layer.outputs();
            double sum = bias[row];
            for (int i = 0; i < layer.inputs(); i++) {
              sum += weight[row * layer.inputs() + i] * inputs[token * layer.inputs() + i];
            }
            out[at] =
                switch (layer.activation()) {
                  case NONE -> sum;
                  case RELU -> Math.max(0, sum);
                  case TANH -> Math.tanh(sum);
                };
          });
      rows = out;
    }
    float[] floats = new float[rows.length];
    for (int i = 0; i < floats.length; i++) {
      floats[i] = (float) rows[i];
    }
    return floats;
  }

  private static double[] doubles(Map<String, TensorData> tensors, String name) {
    float[] floats = Objects.requireNonNull(tensors.get(name), name).floats();
    double[] doubles = new double[floats.length];
    for (int i = 0; i < doubles.length; i++) {
      doubles[i] = floats[i];
    }
    return doubles;
  }

  @Override
  default boolean merges() {
    return false;
  }

  @Override
  default List<LinearModule> modules(ModelConfig model) {
    return List.of();
  }

  @Override
  default Map<String, Shape> tensors(ModelConfig model) {
    Sizes own = sizesOf(model);
    AdapterKeys.require(
        own.equals(sizes()),
        type()
            + " was made for token_dim "
            + sizes().width()
            + ", num_attention_heads "
            + sizes().heads()
            + " and num_layers "
            + sizes().layers()
            + "; this "
            + model.architecture()
            + " has "
            + own.width()
            + ", "
            + own.heads()
            + " and "
            + own.layers());
    AdapterKeys.require(
        tokens() < model.maxPositionEmbeddings(),
        tokens()
            + " virtual tokens leave no room for a text in the context of "
            + model.maxPositionEmbeddings()
            + " tokens");
    for (int token : startTokens()) {
      AdapterKeys.require(
          token >= 0 && token < model.vocabSize(),
          "the text that virtual tokens start as has the token "
              + token
              + ", and the vocabulary is 0 to "
              + (model.vocabSize() - 1)
              + ": is the tokenizer the model's own?");
    }
    Map<String, Shape> found = new LinkedHashMap<>();
    found.put(EMBEDDINGS, Shape.of(tokens(), width()));
    return found;
  }

  @Override
  default String inFile(String tensor) {
    return tensor.equals(EMBEDDINGS) ? tensor : "base_model." + tensor;
  }

  @Override
  default Map<String, String> whole(ModelConfig model) {
    return Map.of();
  }

  @Override
  default Map<String, WeightChange> changes(ModelConfig model, Map<String, TensorData> tensors) {
    throw new IllegalStateException(type() + " changes no weight");
  }

  @Override
  default boolean isAs(PeftMethod other, ModelConfig model) {
    return other instanceof PromptMethod that
        && type().equals(that.type())
        && tokens() == that.tokens()
        && sizes().equals(that.sizes())
        && encoder().equals(that.encoder());
  }
}
