package dev.troupe.engine.generation;

import static org.assertj.core.api.Assertions.assertThat;

import dev.troupe.models.decoder.ParameterLayout;
import dev.troupe.models.torch.Handle;
import dev.troupe.models.torch.KernelModule;
import dev.troupe.models.torch.Lanes;
import dev.troupe.protocol.data.Numerics.Kernels;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.EnumSource.Mode;

/**
 * int8 products against the same in double, within what rounding the activations may cost; those of
 * our own operators are torch's, bit for bit.
 */
class Int8LinearTest {
  private static final int ROWS = 3;
  private static final int IN = 64;
  private static final int OUT = 16;

  @ParameterizedTest
  @EnumSource(value = Kernels.class, mode = Mode.EXCLUDE, names = "AUTO")
  void linear_oneByteAndTwo_areWithinTheirRounding(Kernels kernels) {
    try (Lanes lanes = new Lanes(1)) {
      lanes.run(
          () -> {
            Random random = new Random(7);
            int largest = ByteProducts.largestWeight();
            // Whole numbers, the largest in each row, so that the weights themselves are exact.
            float[] w = new float[OUT * IN];
            for (int i = 0; i < w.length; i++) {
              w[i] = i % IN == 0 ? largest : random.nextInt(2 * largest + 1) - largest;
            }
            float[] x = new float[ROWS * IN];
            for (int i = 0; i < x.length; i++) {
              // One input is far larger than the rest.
              x[i] = (float) random.nextGaussian() * (i % IN == 5 ? 100 : 1);
            }
            float[] one = product(kernels, "linear", x, w, ROWS);
            float[] two = product(kernels, "fine_linear", x, w, ROWS);
            boolean coarser = false;
            for (int row = 0; row < ROWS; row++) {
              double most = 0;
              for (int k = 0; k < IN; k++) {
                most = Math.max(most, Math.abs(x[row * IN + k]));
              }
              for (int out = 0; out < OUT; out++) {
                double exact = 0;
                double weights = 0;
                for (int k = 0; k < IN; k++) {
                  exact += (double) x[row * IN + k] * w[out * IN + k];
                  weights += Math.abs(w[out * IN + k]);
                }
                double rounding = weights * most / 127 / 2;
                double float32 = 1e-6 * weights * most;
                int at = row * OUT + out;
                assertThat(Math.abs(one[at] - exact)).isLessThan(rounding + float32);
                assertThat(Math.abs(two[at] - exact)).isLessThan(rounding / 254 + float32);
                coarser |= Math.abs(one[at] - exact) > 10 * (rounding / 254 + float32);
              }
            }
            assertThat(coarser).isTrue();
            // A row does not depend on those beside it.
            float[] alone =
                product(kernels, "fine_linear", Arrays.copyOfRange(x, IN, 2 * IN), w, 1);
            assertThat(alone).isEqualTo(Arrays.copyOfRange(two, OUT, 2 * OUT));
            return 0;
          });
    }
  }

  /** Where both hold weights in the same steps: on a processor with VNNI, or with AVX2 alone. */
  @Test
  void linear_byEitherSidesOperators_isTheSameBitForBit() {
    try (Lanes lanes = new Lanes(1)) {
      lanes.run(
          () -> {
            Random random = new Random(8);
            for (int round = 0; round < 40; round++) {
              int rows = 1 + random.nextInt(18);
              int in = 1 + random.nextInt(130);
              int out = 1 + random.nextInt(130);
              float[] x = normal(random, rows * in, 3);
              float[] w = normal(random, out * in, 1);
              for (String kernel : List.of("linear", "fine_linear")) {
                assertThat(product(Kernels.NATIVE, kernel, x, w, rows))
                    .as("%s: %s rows, %s to %s", kernel, rows, in, out)
                    .isEqualTo(product(Kernels.TORCH, kernel, x, w, rows));
              }
            }
            return 0;
          });
    }
  }

  private static float[] normal(Random random, int count, double scale) {
    float[] numbers = new float[count];
    for (int i = 0; i < count; i++) {
      numbers[i] = (float) (scale * random.nextGaussian());
    }
    return numbers;
  }

  private static float[] product(Kernels whose, String kernel, float[] x, float[] w, int rows) {
    ParameterLayout layout =
        ParameterLayout.bare(TinyModel.config(300, 32, 48, 1, 4, 2, 8, 16, true), false);
    Map<String, Object> attributes = new LinkedHashMap<>(layout.kernelAttributes());
    attributes.put("weight_at", new long[] {1, 2, 4, 5});
    try (KernelModule kernels =
            KernelModule.load(
                Generator.class,
                "/kernels/generate.py",
                attributes,
                WeightFormat.INT8.placeholders(Operators.choose(whose)));
        Handle weights = Handle.of(w, w.length / (x.length / rows), x.length / rows);
        Handle packed = kernels.infer("pack", weights);
        Handle input = Handle.of(x, rows, x.length / rows);
        Handle result = kernels.infer(kernel, input, packed)) {
      return result.floats();
    }
  }
}
