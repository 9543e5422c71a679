package dev.troupe.engine.generation;

import static org.assertj.core.api.Assertions.assertThat;

import dev.troupe.models.decoder.ParameterLayout;
import dev.troupe.models.torch.Handle;
import dev.troupe.models.torch.KernelModule;
import dev.troupe.models.torch.Lanes;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Random;
import org.junit.jupiter.api.Test;

/** int8 products against the same in double, within what rounding the activations may cost. */
class Int8LinearTest {
  private static final int ROWS = 3;
  private static final int IN = 64;
  private static final int OUT = 16;

  @Test
  void linear_oneByteAndTwo_areWithinTheirRounding() {
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
            float[] one = product("linear", x, w, ROWS);
            float[] two = product("fine_linear", x, w, ROWS);
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
            float[] alone = product("fine_linear", Arrays.copyOfRange(x, IN, 2 * IN), w, 1);
            assertThat(alone).isEqualTo(Arrays.copyOfRange(two, OUT, 2 * OUT));
            return 0;
          });
    }
  }

  private static float[] product(String kernel, float[] x, float[] w, int rows) {
    ParameterLayout layout =
        ParameterLayout.bare(TinyModel.config(300, 32, 48, 1, 4, 2, 8, 16, true), false);
    Map<String, Object> attributes = new LinkedHashMap<>(layout.kernelAttributes());
    attributes.put("weight_at", new long[] {1, 2, 4, 5});
    try (KernelModule kernels =
            KernelModule.load(
                Generator.class,
                "/kernels/generate.py",
                attributes,
                WeightFormat.INT8.placeholders());
        Handle weights = Handle.of(w, OUT, IN);
        Handle packed = kernels.infer("pack", weights);
        Handle input = Handle.of(x, rows, IN);
        Handle result = kernels.infer(kernel, input, packed)) {
      return result.floats();
    }
  }
}
