package dev.troupe.models.decoder;

import static org.assertj.core.api.Assertions.assertThat;

import dev.troupe.models.checkpoint.ModelConfig;
import dev.troupe.models.peft.AdaptedLinear;
import dev.troupe.models.peft.LoraOptions;
import dev.troupe.models.peft.LoraStart;
import dev.troupe.models.peft.Modules;
import dev.troupe.models.torch.Handle;
import dev.troupe.models.torch.KernelModule;
import dev.troupe.models.torch.Lanes;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.Random;
import org.junit.jupiter.api.Test;

/** DoRA with dropout, as {@code peft/tuners/lora/dora.py} defines it. */
final class DoraDropoutTest {
  private static final int INPUTS = 10;
  private static final int POSITIONS = 5;
  private static final int LAYER = 1;
  private static final long SEED = 4711;

  private static final ModelConfig CONFIG =
      ModelConfig.llama(
          23,
          INPUTS,
          14,
          2,
          4,
          2,
          6,
          1e-5,
          10000,
          16,
          true,
          List.of(1),
          OptionalInt.empty(),
          OptionalInt.empty());

  /** Queries, keys, values. */
  private static final int[] OUTPUTS = {24, 12, 12};

  /** Keys are not adapted; queries and values have ranks and scales of their own. */
  private static ParameterLayout layout(double dropout) {
    return ParameterLayout.lora(
        CONFIG,
        new LoraOptions(
            2,
            6,
            new Modules.Names(
                List.of(AdaptedLinear.Q_PROJ.key(), AdaptedLinear.V_PROJ.key(), "down_proj")),
            Optional.empty(),
            false,
            List.of(),
            List.of(),
            Map.of("v_proj", 3),
            Map.of("q_proj", 2.5),
            dropout,
            true,
            LoraOptions.Bias.NONE,
            LoraStart.KAIMING),
        false);
  }

  @Test
  void queriesKeysValues_withAFixedMask_areTheFormulasOfPeft() {
    Lanes.shared()
        .run(
            () -> {
              double dropout = 0.4;
              Inputs in = new Inputs(layout(dropout));
              double[] expected = in.formula(dropout);
              double[] without = in.formula(0);
              float[] found = in.kernel(layout(dropout), SEED);
              double worst = 0;
              double apart = 0;
              for (int i = 0; i < found.length; i++) {
                worst = Math.max(worst, Math.abs(found[i] - expected[i]));
                apart = Math.max(apart, Math.abs(found[i] - without[i]));
              }
              assertThat(found).hasSameSizeAs(expected);
              assertThat(worst).isLessThan(2e-6);
              assertThat(apart).isGreaterThan(0.1);
              return 0;
            });
  }

  @Test
  void aDropoutThatDropsNothing_isTheSameAsNone() {
    Lanes.shared()
        .run(
            () -> {
              Inputs in = new Inputs(layout(0));
              float[] tiny = in.kernel(layout(1e-13), SEED);
              assertThat(tiny)
                  .usingComparatorWithPrecision(2e-6f)
                  .containsExactly(in.kernel(layout(0), SEED));
              // Evaluation: no seed, whatever the dropout.
              assertThat(in.kernel(layout(0.4), 0)).isEqualTo(in.kernel(layout(0), SEED));
              return 0;
            });
  }

  /** Random numbers for one group of linear layers. */
  private static final class Inputs {
    private final ParameterLayout layout;
    private final float[] x;
    private final float[] w;
    private final float[] flat;

    Inputs(ParameterLayout layout) {
      this.layout = layout;
      Random random = new Random(5);
      x = normal(random, POSITIONS * INPUTS);
      w = normal(random, 48 * INPUTS);
      flat = normal(random, layout.size());
    }

    private static float[] normal(Random random, int count) {
      float[] values = new float[count];
      for (int i = 0; i < count; i++) {
        values[i] = (float) (0.3 * random.nextGaussian());
      }
      return values;
    }

    /** (positions, outputs) of the kernel. */
    float[] kernel(ParameterLayout tried, long seed) {
      float[] product = new float[POSITIONS * 48];
      for (int n = 0; n < POSITIONS; n++) {
        for (int o = 0; o < 48; o++) {
          double sum = 0;
          for (int i = 0; i < INPUTS; i++) {
            sum += (double) w[o * INPUTS + i] * x[n * INPUTS + i];
          }
          product[n * 48 + o] = (float) sum;
        }
      }
      try (KernelModule kernels = kernels(tried);
          Handle buffer = Handle.of(flat, flat.length);
          Handle pieces = kernels.train("pieces", buffer);
          Handle input = Handle.of(x, POSITIONS, INPUTS);
          Handle weight = Handle.of(w, 48, INPUTS);
          Handle y = Handle.of(product, POSITIONS, 48);
          Handle layer = Handle.of((long) LAYER);
          Handle group = Handle.of(0L);
          Handle coin = Handle.of(seed);
          Handle out = kernels.infer("stretched", input, y, weight, pieces, layer, group, coin)) {
        return out.floats();
      }
    }

    /** W x + (m / |row| - 1) W x' + m / |row| · scale · B A x', written out. */
    double[] formula(double dropout) {
      float[][] pieces = pieces();
      double[] scales = {2.5 / 2, 0, 6.0 / 3};
      int[] ranks = {2, 0, 3};
      double[] out = new double[POSITIONS * 48];
      int row = 0;
      int firstRank = 0;
      for (int j = 0; j < 3; j++) {
        float[] b = pieces[11 * LAYER + 1 + j];
        float[] magnitudes = pieces[11 * 2 + 7 * LAYER + j];
        double[] dropped = dropped(dropout, j);
        for (int o = 0; o < OUTPUTS[j]; o++) {
          double[] change = new double[INPUTS];
          double squares = 0;
          for (int i = 0; i < INPUTS; i++) {
            for (int r = 0; r < ranks[j]; r++) {
              double a = pieces[11 * LAYER][(firstRank + r) * INPUTS + i];
              change[i] += scales[j] * b[r * OUTPUTS[j] + o] * a;
            }
            squares += Math.pow(w[(row + o) * INPUTS + i] + change[i], 2);
          }
          double stretch = ranks[j] == 0 ? 1 : magnitudes[o] / Math.sqrt(squares);
          for (int n = 0; n < POSITIONS; n++) {
            double sum = 0;
            for (int i = 0; i < INPUTS; i++) {
              double weight = w[(row + o) * INPUTS + i];
              sum += weight * x[n * INPUTS + i];
              sum += ((stretch - 1) * weight + stretch * change[i]) * dropped[n * INPUTS + i];
            }
            out[n * 48 + row + o] = sum;
          }
        }
        row += OUTPUTS[j];
        firstRank += ranks[j];
      }
      return out;
    }

    private double[] dropped(double dropout, int linear) {
      double[] out = new double[x.length];
      for (int i = 0; i < x.length; i++) {
        // SplitMix64.
        long z = i * 0x9E3779B97F4A7C15L + SEED + (28L * LAYER + linear) * 0xBF58476D1CE4E5B9L;
        z = (z ^ (z >>> 30)) * 0xBF58476D1CE4E5B9L;
        z = (z ^ (z >>> 27)) * 0x94D049BB133111EBL;
        z = z ^ (z >>> 31);
        out[i] = (z >>> 11) * 0x1p-53 < dropout ? 0 : x[i] / (1 - dropout);
      }
      return out;
    }

    private float[][] pieces() {
      try (KernelModule kernels = kernels(layout);
          Handle buffer = Handle.of(flat, flat.length);
          Handle list = kernels.train("pieces", buffer)) {
        Handle[] parts = list.parts();
        float[][] out = new float[parts.length][];
        for (int i = 0; i < parts.length; i++) {
          out[i] = parts[i].floats();
          parts[i].close();
        }
        return out;
      }
    }

    private static KernelModule kernels(ParameterLayout layout) {
      return Products.TORCH.kernels(layout);
    }
  }
}
