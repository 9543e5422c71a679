package dev.troupe.engine.generation;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import dev.troupe.models.decoder.ParameterLayout;
import dev.troupe.models.torch.Handle;
import dev.troupe.models.torch.KernelModule;
import dev.troupe.models.torch.Lanes;
import dev.troupe.models.torch.NativeLibrary;
import dev.troupe.protocol.data.Numerics.Kernels;
import dev.troupe.protocol.data.Storage;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** The choice of a token, by blocks of the vocabulary, against its definition token by token. */
class PickTest {
  private static final int ROWS = 6;
  private static final float LAST = 1 - 0x1p-24f;

  private static Lanes lanes;

  /** By each side's operators that are here. */
  private static final List<KernelModule> KERNELS = new ArrayList<>();

  private record Picked(long[] tokens, float[] logprobs) {}

  @BeforeAll
  static void load() {
    lanes = new Lanes(1);
    ParameterLayout layout =
        ParameterLayout.bare(TinyModel.config(300, 32, 48, 1, 4, 2, 8, 16, true), false);
    Map<String, Object> attributes = new LinkedHashMap<>(layout.kernelAttributes());
    attributes.put("weight_at", new long[] {1, 2, 4, 5});
    for (Kernels whose : List.of(Kernels.TORCH, Kernels.NATIVE)) {
      if (whose == Kernels.TORCH || NativeLibrary.state() instanceof NativeLibrary.Loaded) {
        KERNELS.add(
            KernelModule.load(
                Generator.class,
                "/kernels/generate.py",
                attributes,
                Packing.of(Storage.FP32).placeholders(Operators.choose(whose, Storage.FP32))));
      }
    }
  }

  @AfterAll
  static void close() {
    KERNELS.forEach(KernelModule::close);
    lanes.close();
  }

  private static List<Picked> pick(float[] logits, float[] uniform, double temperature) {
    return KERNELS.stream().map(kernels -> pick(kernels, logits, uniform, temperature)).toList();
  }

  private static Picked pick(
      KernelModule kernels, float[] logits, float[] uniform, double temperature) {
    return lanes.run(
        () -> {
          try (Handle z = Handle.of(logits, ROWS, logits.length / ROWS);
              Handle u = Handle.of(uniform, ROWS);
              Handle t = Handle.of(temperature);
              Handle topK = Handle.of(0L);
              Handle topP = Handle.of(1.0);
              Handle picked = kernels.infer("pick", z, u, t, topK, topP)) {
            Handle[] parts = picked.parts();
            try (Handle tokens = parts[0];
                Handle logprobs = parts[1]) {
              return new Picked(tokens.longs(), logprobs.floats());
            }
          }
        });
  }

  /** Vocabularies around the size of a block, and one with many blocks. */
  @ParameterizedTest
  @ValueSource(ints = {1, 5, 255, 256, 257, 1000, 5000})
  void pick_sampled_isTheFirstTokenUpToWhichTheShareIsReached(int vocabulary) {
    Random random = new Random(vocabulary);
    for (int round = 0; round < 20; round++) {
      float[] logits = new float[ROWS * vocabulary];
      for (int i = 0; i < logits.length; i++) {
        // A third can never be drawn.
        logits[i] =
            i % vocabulary > 0 && random.nextInt(3) == 0
                ? Float.NEGATIVE_INFINITY
                : (float) (4 * random.nextGaussian());
      }
      float[] uniform = {0, LAST, 0.5f, random.nextFloat(), random.nextFloat(), 1e-7f};
      for (Picked picked : pick(logits, uniform, 1)) {
        for (int row = 0; row < ROWS; row++) {
          int token = (int) picked.tokens()[row];
          double[] p = probabilities(logits, row, vocabulary);
          assertThat(token).isBetween(0, vocabulary - 1);
          assertThat(p[token]).isPositive();
          double before = 0;
          for (int i = 0; i < token; i++) {
            before += p[i];
          }
          // What float32 sums of thousands of numbers may be off by.
          double rounding = 2e-6;
          assertThat((double) uniform[row])
              .isBetween(before - rounding, before + p[token] + rounding);
          assertThat((double) picked.logprobs()[row]).isCloseTo(Math.log(p[token]), within(1e-5));
        }
      }
    }
  }

  @ParameterizedTest
  @ValueSource(ints = {1, 5, 255, 256, 257, 1000, 5000})
  void pick_greedy_isTheFirstOfTheLargest(int vocabulary) {
    Random random = new Random(vocabulary);
    float[] logits = new float[ROWS * vocabulary];
    for (int i = 0; i < logits.length; i++) {
      // Few different numbers, so that many are largest.
      logits[i] = random.nextInt(4) - 8;
    }
    for (Picked picked : pick(logits, new float[ROWS], 0)) {
      for (int row = 0; row < ROWS; row++) {
        int first = 0;
        for (int i = 1; i < vocabulary; i++) {
          if (logits[row * vocabulary + i] > logits[row * vocabulary + first]) {
            first = i;
          }
        }
        assertThat(picked.tokens()[row]).isEqualTo(first);
        double[] p = probabilities(logits, row, vocabulary);
        assertThat((double) picked.logprobs()[row]).isCloseTo(Math.log(p[first]), within(1e-5));
      }
    }
  }

  @Test
  void pick_greedy_tellsNeighbouringNumbersApart() {
    int vocabulary = 1000;
    float[] logits = new float[ROWS * vocabulary];
    Arrays.fill(logits, -0.5f);
    for (int row = 0; row < ROWS; row++) {
      // Larger by the least that float32 knows: as probabilities the two are one number.
      logits[row * vocabulary + 700 + row] = Math.nextUp(-0.5f);
    }
    assertThat(pick(logits, new float[ROWS], 0))
        .allSatisfy(
            picked -> assertThat(picked.tokens()).containsExactly(700, 701, 702, 703, 704, 705));
  }

  private static double[] probabilities(float[] logits, int row, int vocabulary) {
    double[] p = new double[vocabulary];
    double sum = 0;
    for (int i = 0; i < vocabulary; i++) {
      p[i] = Math.exp(logits[row * vocabulary + i]);
      sum += p[i];
    }
    for (int i = 0; i < vocabulary; i++) {
      p[i] /= sum;
    }
    return p;
  }
}
