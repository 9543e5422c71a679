package dev.troupe.engine.generation;

import dev.troupe.models.checkpoint.ModelConfig;
import dev.troupe.models.decoder.BaseModel;
import dev.troupe.models.decoder.ParameterLayout;
import dev.troupe.models.decoder.Products;
import dev.troupe.models.peft.AdaptedLinear;
import dev.troupe.models.tokenizer.BpeTrainer;
import dev.troupe.models.tokenizer.BpeVocabulary;
import dev.troupe.models.tokenizer.Tokenizer;
import dev.troupe.models.torch.Handle;
import dev.troupe.models.torch.KernelModule;
import dev.troupe.models.torch.Lanes;
import dev.troupe.protocol.data.Prompt;
import dev.troupe.protocol.data.Storage;
import dev.troupe.protocol.data.TokenIds;
import java.nio.file.Path;
import java.util.EnumSet;
import java.util.List;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.Random;

/** A random model of a few thousand weights, its tokenizer, and trained-looking parameters. */
final class TinyModel implements AutoCloseable {
  static final int CONTEXT = 96;

  final ModelConfig config;
  final BaseModel base;
  final Tokenizer tokenizer;
  final ParameterLayout layout;
  final Handle parameters;
  final Lanes lanes = new Lanes(2);
  final KernelModule training;

  /** How its parameters are laid out. */
  enum Tuned {
    LORA,
    LORA_QV,
    FULL,
    FULL_TIED,
    BARE
  }

  TinyModel(Path directory, Tuned tuned) {
    this(directory, tuned, CONTEXT);
  }

  TinyModel(Path directory, Tuned tuned, int context) {
    BpeTrainer.train(
            List.of("the cat sat on the mat and the dog ran", "a bird sings"),
            300,
            List.of("<s>", "</s>"))
        .write(
            directory,
            new BpeVocabulary.Setup(
                Optional.empty(), "</s>", Optional.empty(), Optional.empty(), context));
    tokenizer = Tokenizer.load(directory);
    config = config(tokenizer.vocabSize(), 32, 48, 3, 4, 2, 8, context, tuned == Tuned.FULL_TIED);
    base = BaseModel.random(config, 5);
    layout =
        switch (tuned) {
          case LORA -> ParameterLayout.lora(config, 4, 8, EnumSet.allOf(AdaptedLinear.class), true);
          case LORA_QV ->
              ParameterLayout.lora(
                  config, 3, 8, EnumSet.of(AdaptedLinear.Q_PROJ, AdaptedLinear.V_PROJ), false);
          case FULL, FULL_TIED -> ParameterLayout.full(config, false);
          case BARE -> ParameterLayout.bare(config, false);
        };
    parameters = Handle.of(values(11), layout.size());
    training = Products.TORCH.kernels(layout);
  }

  static ModelConfig config(
      int vocabulary,
      int hidden,
      int ffn,
      int layers,
      int heads,
      int kvHeads,
      int headDim,
      int context,
      boolean tied) {
    return ModelConfig.llama(
        vocabulary,
        hidden,
        ffn,
        layers,
        heads,
        kvHeads,
        headDim,
        1e-5,
        10000,
        context,
        tied,
        List.of(),
        OptionalInt.empty(),
        OptionalInt.empty());
  }

  /** Parameters that change what the model says a good deal. */
  float[] values(long seed) {
    Random random = new Random(seed);
    float[] flat = layout.isFull() ? layout.copyOf(base, seed) : layout.initial(seed);
    for (int i = 0; i < flat.length; i++) {
      flat[i] += (float) (0.2 * random.nextGaussian());
    }
    return flat;
  }

  Generator generator(Storage format) {
    return new Generator(
        base, tokenizer, layout, lanes, new Generator.Options(format, 64L << 20, true));
  }

  Prompt prompt(String id, String text) {
    return new Prompt(id, text, new TokenIds(tokenizer.encode(text)));
  }

  /** Logits at the last position, by the training path, without a cache; (V). */
  float[] logits(int[] tokens) {
    long[] ids = new long[tokens.length];
    for (int i = 0; i < ids.length; i++) {
      ids[i] = tokens[i];
    }
    return lanes.run(
        () -> {
          try (Handle row = Handle.of(ids, 1, ids.length);
              Handle last = Handle.of(new long[] {ids.length - 1}, 1);
              Handle logits = training.infer("logits", row, last, base.weights(), parameters)) {
            return logits.floats();
          }
        });
  }

  @Override
  public void close() {
    parameters.close();
    training.close();
    base.close();
    tokenizer.close();
    lanes.close();
  }
}
