package dev.troupe.engine.generation;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.troupe.models.decoder.ParameterLayout;
import dev.troupe.models.torch.Handle;
import dev.troupe.models.torch.KernelModule;
import dev.troupe.models.torch.Lanes;
import dev.troupe.protocol.data.Numerics.Kernels;
import dev.troupe.protocol.data.Storage;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.EnumSource.Mode;

/**
 * int8 products against the same in double, within what rounding the activations may cost; those of
 * our own operators are torch's bit for bit, where both hold weights in the same steps.
 */
class Int8LinearTest {
  private static final int ROWS = 3;
  private static final int IN = 64;
  private static final int OUT = 16;

  @ParameterizedTest
  @EnumSource(value = Kernels.class, mode = Mode.EXCLUDE, names = "AUTO")
  void linear_oneByteAndTwo_areWithinTheirRounding(Kernels whose) {
    if (whose == Kernels.NATIVE) {
      LibraryHere.assumeLoaded();
    }
    inLane(() -> checkRounding(whose));
  }

  private static void checkRounding(Kernels whose) {
    try (Products products = new Products(whose)) {
      Random random = new Random(7);
      int largest =
          whose == Kernels.NATIVE
              ? LibraryHere.loaded().largestWeight()
              : ByteProducts.largestWeight();
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
      float[] one = products.of("linear", x, w, ROWS);
      float[] two = products.of("fine_linear", x, w, ROWS);
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
      float[] alone = products.of("fine_linear", Arrays.copyOfRange(x, IN, 2 * IN), w, 1);
      assertThat(alone).isEqualTo(Arrays.copyOfRange(two, OUT, 2 * OUT));
    }
  }

  /** On a processor with AVX-512 VNNI, or with AVX2 alone, both sides hold weights in one way. */
  @Test
  void linear_byEitherSidesOperators_isTheSameBitForBit() {
    LibraryHere.assumeLoaded();
    try (Lanes lanes = new Lanes(1)) {
      assumeTrue(lanes.run(LibraryHere::sharesSteps));
    }
    inLane(Int8LinearTest::checkBits);
  }

  /**
   * That both sides' products are equal, where they hold weights in the same steps. The two bytes
   * of plain kernels are added up without the fused products that torch has.
   */
  static void checkBits() {
    boolean fuses = !LibraryHere.loaded().instructions().equals("plain");
    try (Products own = new Products(Kernels.NATIVE);
        Products torch = new Products(Kernels.TORCH)) {
      Random random = new Random(8);
      for (int round = 0; round < 40; round++) {
        int rows = 1 + random.nextInt(18);
        int in = 1 + random.nextInt(130);
        int out = 1 + random.nextInt(130);
        float[] x = normal(random, rows * in, 3);
        float[] w = normal(random, out * in, 1);
        String what = rows + " rows, " + in + " to " + out;
        assertThat(own.of("linear", x, w, rows)).as(what).isEqualTo(torch.of("linear", x, w, rows));
        float[] found = own.of("fine_linear", x, w, rows);
        float[] expected = torch.of("fine_linear", x, w, rows);
        float largest = 0;
        for (float number : expected) {
          largest = Math.max(largest, Math.abs(number));
        }
        float rounding = fuses ? 0 : Math.ulp(largest);
        for (int i = 0; i < found.length; i++) {
          assertThat(found[i]).as(what).isCloseTo(expected[i], within(rounding));
        }
      }
    }
  }

  private static void inLane(Runnable check) {
    try (Lanes lanes = new Lanes(1)) {
      lanes.run(
          () -> {
            check.run();
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

  /** The products of one side. */
  private static final class Products implements AutoCloseable {
    private final KernelModule kernels;

    Products(Kernels whose) {
      ParameterLayout layout =
          ParameterLayout.bare(TinyModel.config(300, 32, 48, 1, 4, 2, 8, 16, true), false);
      Map<String, Object> attributes = new LinkedHashMap<>(layout.kernelAttributes());
      attributes.put("weight_at", new long[] {1, 2, 4, 5});
      kernels =
          KernelModule.load(
              Generator.class,
              "/kernels/generate.py",
              attributes,
              Packing.of(Storage.INT8).placeholders(Operators.choose(whose, Storage.INT8)));
    }

    float[] of(String kernel, float[] x, float[] w, int rows) {
      int in = x.length / rows;
      try (Handle weights = Handle.of(w, w.length / in, in);
          Handle packed = kernels.infer("pack", weights);
          Handle input = Handle.of(x, rows, in);
          Handle result = kernels.infer(kernel, input, packed)) {
        return result.floats();
      }
    }

    @Override
    public void close() {
      kernels.close();
    }
  }
}
