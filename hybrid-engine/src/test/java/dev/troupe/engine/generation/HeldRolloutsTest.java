package dev.troupe.engine.generation;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import dev.troupe.models.checkpoint.CheckpointWriter;
import dev.troupe.models.checkpoint.DType;
import dev.troupe.models.checkpoint.ModelConfig;
import dev.troupe.models.decoder.BaseModel;
import dev.troupe.models.decoder.ParameterLayout;
import dev.troupe.models.peft.AdaptedLinear;
import dev.troupe.models.quantisation.HeldLayout;
import dev.troupe.models.quantisation.HeldNumbers;
import dev.troupe.models.tokenizer.Tokenizer;
import dev.troupe.models.torch.Handle;
import dev.troupe.models.torch.KernelModule;
import dev.troupe.models.torch.Lanes;
import dev.troupe.protocol.data.Numerics;
import dev.troupe.protocol.data.Prompt;
import dev.troupe.protocol.data.Quantisation;
import dev.troupe.protocol.data.Rollout;
import dev.troupe.protocol.data.SamplingSettings;
import dev.troupe.protocol.data.Storage;
import dev.troupe.protocol.data.TokenIds;
import java.nio.ByteBuffer;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.EnumSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Random;
import java.util.stream.LongStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.MethodSource;

/** Sampling from a base as it is held in blocks, LoRA beside it. */
class HeldRolloutsTest {
  private static final Quantisation NF4 = new Quantisation(Storage.NF4, 64, true);

  private static final SamplingSettings SAMPLED =
      new SamplingSettings(12, 0.9, 0, 1.0, List.of(), 3);

  @TempDir Path directory;

  @BeforeEach
  void needsTheLibrary() {
    LibraryHere.assumeLoaded();
  }

  /** A model on disk, opened with its layers in blocks, and an adapter that has moved. */
  private final class Opened implements AutoCloseable {
    final Tokenizer tokenizer;
    final BaseModel base;
    final ParameterLayout layout;
    final Handle parameters;
    final Lanes lanes = new Lanes(2);
    final KernelModule training;

    Opened(int hidden, Optional<Quantisation> held) {
      ModelConfig config;
      try (TinyModel words = new TinyModel(directory, TinyModel.Tuned.BARE)) {
        config =
            TinyModel.config(
                words.config.vocabSize(), hidden, 2 * hidden, 2, 4, 2, hidden / 4, 64, false);
      }
      CheckpointWriter.write(
          directory,
          config,
          ParameterLayout.full(config, false)
              .checkpointTensors(
                  ParameterLayout.full(config, false).copyOf(BaseModel.random(config, 5), 0)),
          DType.F32,
          Long.MAX_VALUE);
      tokenizer = Tokenizer.load(directory);
      base = BaseModel.load(directory, Storage.FP32, held);
      layout = ParameterLayout.lora(config, 4, 8, EnumSet.allOf(AdaptedLinear.class), false);
      float[] values = layout.initial(1);
      Random random = new Random(7);
      for (int i = 0; i < values.length; i++) {
        values[i] += (float) (0.2 * random.nextGaussian());
      }
      parameters = Handle.of(values, layout.size());
      training =
          lanes
              .run(() -> Operators.products(Numerics.Kernels.AUTO, Storage.FP32))
              .kernels(layout, Storage.FP32, base);
    }

    Generator generator(Storage format) {
      return generator(format, Numerics.Kernels.NATIVE);
    }

    Generator generator(Storage format, Numerics.Kernels kernels) {
      return new Generator(
          base,
          tokenizer,
          layout,
          lanes,
          new Generator.Options(format, 64L << 20, true).by(kernels));
    }

    List<Prompt> prompts() {
      Random random = new Random(2);
      return Stream.of(6, 11, 2)
          .map(
              size -> new Prompt("p" + size, "", new TokenIds(random.ints(size, 3, 280).toArray())))
          .toList();
    }

    /** The mean difference of an answer's log-probabilities from those of training. */
    double distance(Rollout answer, Handle trained) {
      int[] tokens = answer.prompt().tokens().concat(answer.response()).values();
      int first = answer.prompt().tokens().size();
      int count = answer.response().size();
      float[] logits =
          lanes.run(
              () -> {
                try (Handle ids = Handle.of(longs(tokens), 1, tokens.length);
                    Handle reads =
                        Handle.of(LongStream.range(first - 1, first - 1 + count).toArray(), count);
                    Handle found = training.infer("logits", ids, reads, base.weights(), trained)) {
                  return found.floats();
                }
              });
      int vocabulary = logits.length / count;
      double sum = 0;
      for (int i = 0; i < count; i++) {
        double total = 0;
        for (int v = 0; v < vocabulary; v++) {
          total += Math.exp(logits[i * vocabulary + v] / SAMPLED.temperature());
        }
        double logprob =
            logits[i * vocabulary + answer.response().get(i)] / SAMPLED.temperature()
                - Math.log(total);
        sum += Math.abs(answer.logprobs().get(i) - logprob);
      }
      return sum / count;
    }

    private static long[] longs(int[] tokens) {
      return Arrays.stream(tokens).asLongStream().toArray();
    }

    @Override
    public void close() {
      training.close();
      parameters.close();
      base.close();
      tokenizer.close();
      lanes.close();
    }
  }

  static List<Quantisation> held() {
    return List.of(
        NF4,
        new Quantisation(Storage.NF4, 64, false),
        new Quantisation(Storage.NF4, 256, true),
        new Quantisation(Storage.FP4, 64, true),
        new Quantisation(Storage.NF4, 32, true));
  }

  /** What is sampled has the log-probabilities of training on the same base, LoRA beside it. */
  @ParameterizedTest
  @MethodSource("held")
  void generate_isWhatTrainsWithLora(Quantisation held) {
    try (Opened model = new Opened(128, Optional.of(held));
        Generator generator = model.generator(held.storage());
        Handle nothing = Handle.of(model.layout.initial(1), model.layout.size())) {
      assertThat(generator.flip(model.parameters, 1).probeDifference()).isLessThan(0.05);
      double with = 0;
      double without = 0;
      for (Rollout answer : generator.generate(1, model.prompts(), SAMPLED)) {
        with = Math.max(with, model.distance(answer, model.parameters));
        without = Math.max(without, model.distance(answer, nothing));
      }
      assertThat(with).isLessThan(0.05);
      assertThat(without).as("what LoRA changes").isGreaterThan(0.2);
    }
  }

  /** A row's bits do not depend on what is sampled beside it, nor on the lanes. */
  @Test
  void generate_inAnyBatch_theSameBits() {
    try (Opened model = new Opened(128, Optional.of(NF4));
        Generator generator = model.generator(Storage.NF4)) {
      assertThat(generator.samplesByRow()).isTrue();
      generator.flip(model.parameters, 1);
      List<Rollout> together = generator.generate(1, model.prompts(), 5, SAMPLED);
      for (int i = 0; i < 3; i++) {
        Rollout alone = generator.generate(1, List.of(model.prompts().get(i)), SAMPLED).get(0);
        assertThat(alone).isEqualTo(together.get(5 * i));
      }
    }
  }

  @Test
  void shadow_isTheOutputMatrixAlone() {
    try (Opened model = new Opened(128, Optional.of(NF4));
        Generator generator = model.generator(Storage.NF4)) {
      generator.flip(model.parameters, 1);
      long head = (long) model.base.config().vocabSize() * 128;
      assertThat(generator.memoryBytes()).containsEntry("shadow", head + head / 16);
    }
  }

  /** Rows of 96 numbers, which blocks of 64 reach across, are made numbers and multiplied so. */
  @Test
  void flip_ofRowsThatAreNoWholeBlocks_isWhatTrains() {
    try (Opened model = new Opened(96, Optional.of(NF4));
        Generator generator = model.generator(Storage.NF4)) {
      assertThat(generator.flip(model.parameters, 1).probeDifference()).isLessThan(0.01);
    }
  }

  @Test
  void otherBases_methodsAndOperators_areRefusedInWords() {
    try (Opened model = new Opened(128, Optional.of(NF4))) {
      assertThatThrownBy(() -> model.generator(Storage.NF4, Numerics.Kernels.TORCH))
          .isInstanceOf(GenerationException.class)
          .hasMessage(
              "engine.rollout-weights (--weights) is nf4, which Troupe's library of operators alone"
                  + " multiplies, and torch's decode here: engine.kernels is torch. Let it be auto, fp32,"
                  + " bf16, fp16 or int8.");
      assertThatThrownBy(
              () ->
                  Generator.checkBeside(
                      ParameterLayout.full(model.base.config(), false), Storage.FP4))
          .isInstanceOf(GenerationException.class)
          .hasMessage(
              "rollout weights in FP4 are the frozen base as it is held, and what is tuned here is"
                  + " merged with it to sample: LoRA alone can stand beside it. Let"
                  + " engine.rollout-weights (--weights) be int8 or auto, or tuning.type be lora.");
    }
  }

  /**
   * The operator itself: activations that are bytes already, so that all that is rounded is the
   * table of codes, to 127ths.
   */
  @ParameterizedTest
  @CsvSource({"INT8,64,true", "INT8,256,false", "NF4,64,true", "FP4,128,false", "NF4,32,true"})
  void product_ofBytes_isThatOfTheNumbers(Storage storage, int block, boolean doubled) {
    int rows = 80;
    int columns = 192;
    Quantisation held = new Quantisation(storage, block, doubled);
    HeldLayout layout = HeldLayout.of(rows, columns, held);
    Random random = new Random(31);
    float[] numbers = new float[rows * columns];
    for (int i = 0; i < numbers.length; i++) {
      numbers[i] = (float) random.nextGaussian();
    }
    byte[] bytes = new byte[Math.toIntExact(layout.bytes())];
    HeldNumbers.put(layout, 0, ByteBuffer.wrap(bytes), numbers, HeldRolloutsTest::mean);
    float[] exact = HeldNumbers.of(layout, 0, ByteBuffer.wrap(bytes));
    float[] x = new float[5 * columns];
    for (int i = 0; i < x.length; i++) {
      x[i] = i % columns == 0 ? 127 : random.nextInt(-127, 128);
    }
    long[] order = new long[rows];
    for (int i = 0; i < rows; i++) {
      order[i] = (7L * i + 3) % rows;
    }
    float[] found = product(layout, bytes, x, order);
    for (int i = 0; i < 5; i++) {
      for (int n = 0; n < rows; n++) {
        double sum = 0;
        double magnitude = 0;
        for (int k = 0; k < columns; k++) {
          double number = exact[(int) order[n] * columns + k];
          sum += number * x[i * columns + k];
          magnitude += Math.abs(x[i * columns + k]);
        }
        // A scale is the largest magnitude of its block, below 5 here.
        double table = storage == Storage.INT8 || block % 64 != 0 ? 0 : 0.5 / 127 * 5;
        assertThat(found[i * rows + n])
            .isCloseTo((float) sum, within((float) ((table + 5e-6) * magnitude)));
      }
    }
  }

  private static float mean(float[] numbers) {
    double sum = 0;
    for (float number : numbers) {
      sum += number;
    }
    return (float) (sum / numbers.length);
  }

  private static float[] product(HeldLayout layout, byte[] bytes, float[] x, long[] order) {
    String text =
        """
        def product(self, x, w, order):
          return ops.troupe.held_product(x, w, self.how, order, False)
        """;
    try (Lanes lanes = new Lanes(1);
        KernelModule kernels = KernelModule.compile("test", text, Map.of("how", layout.how()))) {
      return lanes.run(
          () -> {
            try (Handle rows = Handle.of(x, x.length / layout.columns(), layout.columns());
                Handle weight = Handle.bytes(room -> room.put(bytes), bytes.length);
                Handle places = Handle.of(order, order.length);
                Handle found = kernels.infer("product", rows, weight, places)) {
              return found.floats();
            }
          });
    }
  }
}
