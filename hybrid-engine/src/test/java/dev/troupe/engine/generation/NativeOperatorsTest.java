package dev.troupe.engine.generation;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import dev.troupe.models.torch.Handle;
import dev.troupe.models.torch.KernelModule;
import dev.troupe.models.torch.Lanes;
import java.util.Map;
import java.util.Random;
import java.util.function.Consumer;
import java.util.random.RandomGenerator;
import org.junit.jupiter.api.Test;

/** Fused operators of the library against the parts that they are made of. */
class NativeOperatorsTest {
  private static final String CALLS =
      """
      def fused_norm(self, x, gain, w, fine: bool):
        b, s, t = ops.troupe.pack(w)
        return ops.troupe.rms_linear(x, gain, 1e-5, b, s, t, fine)

      def norm_then_product(self, x, gain, w, fine: bool):
        b, s, t = ops.troupe.pack(w)
        return ops.troupe.linear(ops.troupe.rms_norm(x, gain, 1e-5, None), b, s, t, fine)

      def fused_activation(self, x, activation: int, gated: bool, w, fine: bool):
        b, s, t = ops.troupe.pack(w)
        return ops.troupe.activated_linear(x, activation, gated, b, s, t, fine)

      def activation_then_product(self, x, activation: int, gated: bool, w, fine: bool):
        n = x.size(1) // 2 if gated else x.size(1)
        a = x[:, :n]
        if activation == 0:
          a = torch.silu(a)
        elif activation == 1:
          a = torch.gelu(a)
        elif activation == 2:
          a = torch.gelu(a, approximate='tanh')
        else:
          a = torch.relu(a)
        if gated:
          a = a * x[:, n:]
        b, s, t = ops.troupe.pack(w)
        return ops.troupe.linear(a, b, s, t, fine)
      """;

  private static final String ATTENTION =
      """
      def rows(self, b: int, n: int, width: int):
        # of any order of numbers, the same every time
        return torch.sin(torch.arange(b * n * width) * 0.37).view(b * n, width) * 3

      def attend(self, b: int, n: int, slots: int, dtype: int, one: bool):
        # two query heads on one key head of 8; tokens of b rows all at once, or one after the other
        x = self.rows(b, n, 32)
        kv = torch.zeros([2, b, 1, slots, 8], dtype=dtype)
        start = torch.zeros([b], dtype=4)
        if not one:
          return ops.troupe.attend(x, None, 0.0, None, kv, start, 0, 0, 0.35, 0.0, None, None)
        out: List[Tensor] = []
        for i in range(n):
          each = x.view(b, n, 32)[:, i].contiguous()
          out.append(ops.troupe.attend(each, None, 0.0, None, kv, start, i, 0, 0.35, 0.0, None, None))
        return torch.stack(out, 1).view(b * n, 16)

      def after_prompt(self, slots: int, dtype: int, shared: bool, source: int, before: int):
        # one more token of 3 rows whose slots before 9 hold the same; where shared, only those of row 1 do
        kv = torch.zeros([2, 3, 1, slots, 8], dtype=dtype)
        kv.copy_(torch.cos(torch.arange(2 * slots * 8) * 0.61).view(2, 1, 1, slots, 8).expand(2, 3, 1, slots, 8))
        start = torch.full([3], 2, dtype=4)
        sources: Optional[Tensor] = None
        if shared:
          torch.narrow(torch.narrow(kv, 1, 0, 1), 3, 0, 9).fill_(nan)
          torch.narrow(torch.narrow(kv, 1, 2, 1), 3, 0, 9).fill_(nan)
          sources = torch.tensor([source, before, 1, 0, source, before])
        return ops.troupe.attend(self.rows(3, 1, 32), None, 0.0, None, kv, start, slots - 1, 0, 0.35, 0.0, None, sources)

      def attend_to(self, rows: int, slots: int, heads: int, slot: int, dtype: int):
        x, kv = self.rows(rows, 1, 32), torch.zeros([2, 3, heads, slots, 8], dtype=dtype)
        return ops.troupe.attend(x, None, 0.0, None, kv, torch.zeros([3], dtype=4), slot, 0, 0.35, 0.0, None, None)
      """;

  private static final long FLOAT32 = 6;
  private static final long BFLOAT16 = 15;

  /** Tokens that are there at once see what they would see one by one, bit for bit. */
  @Test
  void attend_ofSeveralTokens_isThatOfOneAfterTheOther_bitForBit() {
    LibraryHere.assumeLoaded();
    inKernels(
        ATTENTION,
        kernels -> {
          for (long dtype : new long[] {FLOAT32, BFLOAT16}) {
            for (long tokens : new long[] {1, 2, 17, 40}) {
              try (Handle rows = Handle.of(3L);
                  Handle count = Handle.of(tokens);
                  Handle slots = Handle.of(tokens + 2);
                  Handle type = Handle.of(dtype);
                  Handle no = Handle.of(false);
                  Handle yes = Handle.of(true);
                  Handle found = kernels.infer("attend", rows, count, slots, type, no);
                  Handle expected = kernels.infer("attend", rows, count, slots, type, yes)) {
                assertThat(found.floats())
                    .as("%s tokens, type %s", tokens, dtype)
                    .isEqualTo(expected.floats());
              }
            }
          }
        });
  }

  /** A prompt's keys and values that rows have in common, read in one of them. */
  @Test
  void attend_toAnotherRowsSlots_isThatToTheSameInItsOwn_bitForBit() {
    LibraryHere.assumeLoaded();
    inKernels(
        ATTENTION,
        kernels -> {
          for (long dtype : new long[] {FLOAT32, BFLOAT16}) {
            for (long slots : new long[] {10, 25, 50}) {
              try (Handle all = Handle.of(slots);
                  Handle type = Handle.of(dtype);
                  Handle no = Handle.of(false);
                  Handle yes = Handle.of(true);
                  Handle source = Handle.of(1L);
                  Handle before = Handle.of(9L);
                  Handle expected = kernels.infer("after_prompt", all, type, no, source, before);
                  Handle found = kernels.infer("after_prompt", all, type, yes, source, before)) {
                assertThat(found.floats())
                    .as("%s slots, type %s", slots, dtype)
                    .isEqualTo(expected.floats());
              }
            }
          }
          for (long[] wrong : new long[][] {{3, 9}, {-1, 9}, {1, 10}, {1, -1}}) {
            try (Handle all = Handle.of(10L);
                Handle type = Handle.of(BFLOAT16);
                Handle yes = Handle.of(true);
                Handle source = Handle.of(wrong[0]);
                Handle before = Handle.of(wrong[1])) {
              assertThatThrownBy(
                      () -> kernels.infer("after_prompt", all, type, yes, source, before))
                  .hasMessageContaining(
                      "row 0 reads slots before " + wrong[1] + " of row " + wrong[0]);
            }
          }
        });
  }

  /** What does not fit is told, in shapes, and nothing is read or written. */
  @Test
  void attend_toACacheThatDoesNotFit_isAnErrorInWords() {
    LibraryHere.assumeLoaded();
    inKernels(
        ATTENTION,
        kernels -> {
          refused(kernels, 3, 9, 1, 0, 5, "the cache must be float32 or bfloat16");
          refused(kernels, 3, 9, 1, 9, BFLOAT16, "1 tokens from slot 9 on of a cache of 9");
          refused(kernels, 4, 9, 1, 0, BFLOAT16, "qkv [4, 32] and the cache [2, 3, 1, 9, 8]");
          refused(kernels, 3, 9, 2, 0, FLOAT32, "rows of 32 numbers are not heads of 8");
        });
  }

  private static void refused(
      KernelModule kernels, long rows, long slots, long heads, long slot, long type, String why) {
    try (Handle count = Handle.of(rows);
        Handle length = Handle.of(slots);
        Handle shared = Handle.of(heads);
        Handle at = Handle.of(slot);
        Handle dtype = Handle.of(type)) {
      assertThatThrownBy(() -> kernels.infer("attend_to", count, length, shared, at, dtype))
          .hasMessageContaining("troupe::attend")
          .hasMessageContaining(why);
    }
  }

  private static final long SILU = 0;
  private static final long GELU = 1;
  private static final long GELU_TANH = 2;
  private static final long RELU = 3;

  @Test
  void rmsLinear_isTheProductOfTheNorm_bitForBit() {
    LibraryHere.assumeLoaded();
    checkNorm();
  }

  @Test
  void activatedLinear_isTheProductOfTheActivation() {
    LibraryHere.assumeLoaded();
    checkActivation();
  }

  static void checkNorm() {
    inKernels(
        kernels -> {
          Random random = new Random(5);
          for (int round = 0; round < 30; round++) {
            int rows = 1 + random.nextInt(18);
            int in = 1 + random.nextInt(300);
            int out = 1 + random.nextInt(100);
            try (Handle x = normal(random, rows, in);
                Handle gain = Handle.of(floats(random, in), in);
                Handle w = normal(random, out, in);
                Handle fine = Handle.of(random.nextBoolean());
                Handle found = kernels.infer("fused_norm", x, gain, w, fine);
                Handle expected = kernels.infer("norm_then_product", x, gain, w, fine)) {
              assertThat(found.floats())
                  .as("%s rows, %s to %s", rows, in, out)
                  .isEqualTo(expected.floats());
            }
          }
        });
  }

  /**
   * A ReLU is exact, so the products are equal bit for bit. Of the others only one number of a row
   * is not zero: the largest, which quantising keeps, so that no other rounding covers what the
   * activation is off by.
   */
  static void checkActivation() {
    inKernels(
        kernels -> {
          Random random = new Random(6);
          for (int round = 0; round < 40; round++) {
            boolean gated = random.nextBoolean();
            int rows = 1 + random.nextInt(18);
            int in = 1 + random.nextInt(300);
            int out = 1 + random.nextInt(100);
            int width = gated ? 2 * in : in;
            try (Handle w = normal(random, out, in);
                Handle x = normal(random, rows, width)) {
              float[][] both = both(kernels, x, RELU, gated, w, random.nextBoolean());
              assertThat(both[0]).as("ReLU, %s to %s", in, out).isEqualTo(both[1]);
            }
            float[] single = new float[rows * width];
            for (int row = 0; row < rows; row++) {
              int at = random.nextInt(in);
              single[row * width + at] = 4 * (float) random.nextGaussian();
              if (gated) {
                single[row * width + in + at] = (float) random.nextGaussian();
              }
            }
            for (long activation : new long[] {SILU, GELU, GELU_TANH}) {
              // Of 1 + erf torch keeps few digits where it is nearly nothing.
              double tolerance = activation == GELU ? 5e-6 : 1e-6;
              try (Handle w = normal(random, out, in);
                  Handle x = Handle.of(single, rows, width)) {
                float[][] both = both(kernels, x, activation, gated, w, true);
                for (int i = 0; i < both[0].length; i++) {
                  assertThat((double) both[0][i])
                      .as("activation %s, %s to %s, number %s", activation, in, out, i)
                      .isCloseTo(both[1][i], within(tolerance * Math.max(1, Math.abs(both[1][i]))));
                }
              }
            }
          }
        });
  }

  private static float[][] both(
      KernelModule kernels, Handle x, long activation, boolean gated, Handle w, boolean fine) {
    try (Handle which = Handle.of(activation);
        Handle withGate = Handle.of(gated);
        Handle twoBytes = Handle.of(fine);
        Handle found = kernels.infer("fused_activation", x, which, withGate, w, twoBytes);
        Handle expected =
            kernels.infer("activation_then_product", x, which, withGate, w, twoBytes)) {
      return new float[][] {found.floats(), expected.floats()};
    }
  }

  private static void inKernels(Consumer<KernelModule> check) {
    inKernels(CALLS, check);
  }

  private static void inKernels(String source, Consumer<KernelModule> check) {
    try (Lanes lanes = new Lanes(1)) {
      lanes.run(
          () -> {
            try (KernelModule kernels = KernelModule.compile("calls", source, Map.of())) {
              check.accept(kernels);
            }
            return 0;
          });
    }
  }

  private static Handle normal(RandomGenerator random, int rows, int columns) {
    return Handle.of(floats(random, rows * columns), rows, columns);
  }

  private static float[] floats(RandomGenerator random, int count) {
    float[] numbers = new float[count];
    for (int i = 0; i < count; i++) {
      numbers[i] = (float) random.nextGaussian();
    }
    return numbers;
  }
}
