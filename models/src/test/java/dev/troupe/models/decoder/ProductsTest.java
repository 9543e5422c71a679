package dev.troupe.models.decoder;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.troupe.models.torch.GradMode;
import dev.troupe.models.torch.Handle;
import dev.troupe.models.torch.KernelException;
import dev.troupe.models.torch.KernelModule;
import dev.troupe.models.torch.Lanes;
import dev.troupe.models.torch.NativeLibrary;
import java.util.Map;
import java.util.Random;
import java.util.function.Function;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Products of bfloat16 that are made in float32, against double precision and torch's own. */
class ProductsTest {
  private static final String KERNELS =
      """
      def given(self, x, w, g) -> List[Tensor]:
        # as bfloat16 has them
        return [x.to(15), w.to(15), g.to(15)]

      def products(self, x, w, g, wide: bool, trained: bool) -> List[Tensor]:
        # of x and w, and the gradients of both
        torch.set_grad_enabled(True)
        a, b, y = self.given(x, w, g)
        a = a.detach().requires_grad_(True)
        b = b.detach().requires_grad_(trained)
        z = ops.troupe.wide_linear(a, b) if wide else torch.linear(a, b)
        given: List[Optional[Tensor]] = [y]
        got = torch.grad([z], [a, b] if trained else [a], given)
        out = [z.detach().float()]
        for one in got:
          assert one is not None
          out.append(one.float())
        torch.set_grad_enabled(False)
        return out

      def exact(self, x, w, g) -> List[Tensor]:
        a, b, y = self.given(x, w, g)
        a, b, y = a.double(), b.double(), y.double()
        return [torch.linear(a, b).float(), torch.mm(y, b).float(), torch.mm(y.t(), a).float()]

      def adapted(self, x, w, g, a, b, cut: int, residual: bool) -> List[Tensor]:
        # x of bfloat16 and w, with LoRA for the outputs before the cut and those behind it; the gradients of x, a and b
        torch.set_grad_enabled(True)
        rows, frozen, y = self.given(x, w, g)
        rows = rows.detach().requires_grad_(True)
        a = a.detach().requires_grad_(True)
        r = a.size(0) // 2
        parts = [b[:r, :cut].contiguous().detach().requires_grad_(True), b[r:, cut:].contiguous().detach().requires_grad_(True)]
        z = ops.troupe.wide_adapted(rows, frozen, a, parts[0], parts[1], None, 0.5, g if residual else None)
        given: List[Optional[Tensor]] = [y.float() if residual else y]
        got = torch.grad([z], [rows, a] + parts, given)
        out = [z.detach().float()]
        for one in got:
          assert one is not None
          out.append(one.float())
        torch.set_grad_enabled(False)
        return out

      def exact_adapted(self, x, w, g, a, b, cut: int, residual: bool) -> List[Tensor]:
        rows, frozen, y = self.given(x, w, g)
        rows, frozen, y, a, b = rows.double(), frozen.double(), y.double(), a.double(), b.double()
        r = a.size(0) // 2
        b = torch.block_diag([b[:r, :cut], b[r:, cut:]])
        low = torch.linear(rows, a)
        back = torch.mm(y, b.t()) * 0.5
        of_b = torch.mm(low.t(), y) * 0.5
        z = torch.linear(rows, frozen) + 0.5 * torch.mm(low, b)
        if residual:
          z = z + g.double()
        return [z.float(), (torch.mm(y, frozen) + torch.mm(back, a)).float(), torch.mm(back.t(), rows).float(), of_b[:r, :cut].float(), of_b[r:, cut:].float()]

      def adapted_otherwise(self, x, w, a, b) -> Tensor:
        return ops.troupe.wide_adapted(x.to(15), w.to(15), a, b, None, None, 1.0, None)

      def unrounded(self, x, w, g) -> List[Tensor]:
        b = w.to(15)
        return [ops.troupe.wide_linear(x, b), ops.troupe.wide_product(g, b)]

      def exact_unrounded(self, x, w, g) -> List[Tensor]:
        b = w.to(15).double()
        return [torch.linear(x.double(), b).float(), torch.mm(g.double(), b).float()]

      def mixed(self, x, w) -> Tensor:
        return ops.troupe.wide_linear(x, w)

      def mixed_back(self, y, w) -> Tensor:
        return ops.troupe.wide_product(y, w.to(15))
      """;

  /** Of a number rounded to bfloat16, with the last bit of the sum before it. */
  private static final double ROUNDED = 0x1.01p-8;

  @BeforeEach
  void libraryIsThere() {
    assumeTrue(NativeLibrary.state() instanceof NativeLibrary.Loaded);
  }

  /** Weights in one panel and in several, rows in one block and in several. */
  @ParameterizedTest
  @CsvSource({
    "1, 1, 1",
    "3, 7, 5",
    "33, 130, 70",
    "1, 576, 960",
    "40, 600, 2000",
    "1030, 48, 31",
    "2049, 9, 2",
    "5, 9001, 130"
  })
  void productsAndGradients_areThoseOfDoublePrecision_rounded(int rows, int inputs, int outputs) {
    Random random = new Random(rows + 31L * inputs + 977L * outputs);
    float[][] exact = call(random, rows, inputs, outputs, this::exact);
    random = new Random(rows + 31L * inputs + 977L * outputs);
    float[][] wide = call(random, rows, inputs, outputs, k -> products(k, true, true));
    random = new Random(rows + 31L * inputs + 977L * outputs);
    float[][] torch = call(random, rows, inputs, outputs, k -> products(k, false, true));
    int[] added = {inputs, outputs, rows};
    for (int i = 0; i < exact.length; i++) {
      assertClose(wide[i], exact[i], ROUNDED, added[i]);
      // Each is half a step of bfloat16 from the truth at most.
      assertClose(wide[i], torch[i], 2 * ROUNDED, added[i]);
    }
  }

  /** As products; a rank of 0 is a layer that is not adapted. */
  @ParameterizedTest
  @CsvSource({
    "1, 1, 2, 2, 1",
    "33, 130, 70, 6, 40",
    "40, 600, 2000, 16, 1500",
    "1030, 48, 31, 9, 7",
    "9, 20, 30, 0, 10",
    "12, 30, 40, 1, 0"
  })
  void productWithLora_andItsGradients_areThoseOfDoublePrecision(
      int rows, int inputs, int outputs, int ranks, int cut) {
    Random adapter = new Random(ranks);
    float[] a = normal(adapter, ranks * inputs);
    float[] b = normal(adapter, ranks * outputs);
    for (boolean residual : new boolean[] {false, true}) {
      float[][] exact = adapted("exact_adapted", rows, inputs, outputs, a, b, cut, residual);
      float[][] found = adapted("adapted", rows, inputs, outputs, a, b, cut, residual);
      // Products of two: what is added up is as large as the root of the product of their sizes.
      int added = inputs + outputs + rows + 40 * ranks * (int) Math.sqrt(inputs + outputs + rows);
      // With a residual nothing is rounded but the gradient of x.
      assertClose(found[0], exact[0], residual ? 1e-6 : ROUNDED, added);
      assertClose(found[1], exact[1], ROUNDED, added);
      for (int i = 2; i < 5; i++) {
        assertClose(found[i], exact[i], 1e-5, 10 * added);
      }
    }
  }

  private static float[][] adapted(
      String method,
      int rows,
      int inputs,
      int outputs,
      float[] a,
      float[] b,
      long cut,
      boolean residual) {
    return call(
        new Random(rows),
        rows,
        inputs,
        outputs,
        k -> {
          int ranks = a.length / inputs;
          try (Handle ha = Handle.of(a, ranks, inputs);
              Handle hb = Handle.of(b, ranks, outputs);
              Handle at = Handle.of(cut);
              Handle and = Handle.of(residual)) {
            return GradMode.with(() -> k.kernels.train(method, k.x, k.w, k.g, ha, hb, at, and));
          }
        });
  }

  @Test
  void gradientOfRows_isTheSame_whetherTheWeightIsTrainedOrFrozen() {
    float[][] trained = call(new Random(5), 19, 70, 40, k -> products(k, true, true));
    float[][] frozen = call(new Random(5), 19, 70, 40, k -> products(k, true, false));
    assertThat(frozen.length).isEqualTo(2);
    assertThat(frozen[0]).containsExactly(trained[0]);
    assertThat(frozen[1]).containsExactly(trained[1]);
  }

  @ParameterizedTest
  @ValueSource(ints = {1, 17, 1025})
  void rowsInFloat32_areNotRounded(int rows) {
    float[][] exact = call(new Random(rows), rows, 300, 1800, this::exactUnrounded);
    float[][] found = call(new Random(rows), rows, 300, 1800, this::unrounded);
    assertClose(found[0], exact[0], 0, 300);
    assertClose(found[1], exact[1], 0, 1800);
  }

  @Test
  void noRows_giveNone() {
    float[][] found = call(new Random(1), 0, 6, 4, k -> products(k, true, true));
    assertThat(found[0]).isEmpty();
    assertThat(found[1]).isEmpty();
    assertThat(found[2]).hasSize(24).containsOnly(0f);
  }

  @Test
  void otherShapesAndTypes_areErrorsInWords() {
    assertThatThrownBy(() -> call(new Random(1), 2, 6, 4, k -> one(k, "mixed", k.x, k.w)))
        .isInstanceOf(KernelException.class)
        .hasMessageContaining("the weight must be a bfloat16 matrix on the CPU, is Float [4, 6]");
    assertThatThrownBy(() -> call(new Random(1), 2, 6, 4, k -> one(k, "mixed_back", k.x, k.w)))
        .hasMessageContaining("troupe::wide_product")
        .hasMessageContaining("with 4 numbers each for a weight [4, 6], are Float [2, 6]");
    assertThatThrownBy(
            () ->
                call(new Random(1), 2, 6, 4, k -> one(k, "adapted_otherwise", k.x, k.w, k.x, k.x)))
        .hasMessageContaining("troupe::wide_adapted: the adapter of a weight [4, 6] must be")
        .hasMessageContaining("is Float [2, 6] and 2 ranks for 6 outputs");
  }

  // ---- on a lane

  private record Given(KernelModule kernels, Handle x, Handle w, Handle g) {}

  private static float[][] call(
      Random random, int rows, int inputs, int outputs, Function<Given, Handle> work) {
    float[] x = normal(random, rows * inputs);
    float[] w = normal(random, outputs * inputs);
    float[] g = normal(random, rows * outputs);
    return Lanes.shared()
        .run(
            () -> {
              try (KernelModule kernels = KernelModule.compile("products", KERNELS, Map.of());
                  Handle hx = Handle.of(x, rows, inputs);
                  Handle hw = Handle.of(w, outputs, inputs);
                  Handle hg = Handle.of(g, rows, outputs);
                  Handle found = work.apply(new Given(kernels, hx, hw, hg))) {
                Handle[] parts = found.parts();
                float[][] out = new float[parts.length][];
                for (int i = 0; i < parts.length; i++) {
                  try (Handle part = parts[i]) {
                    out[i] = part.floats();
                  }
                }
                return out;
              }
            });
  }

  private Handle products(Given given, boolean wide, boolean trained) {
    try (Handle whose = Handle.of(wide);
        Handle both = Handle.of(trained)) {
      return GradMode.with(
          () -> given.kernels.train("products", given.x, given.w, given.g, whose, both));
    }
  }

  private Handle exact(Given given) {
    return given.kernels.infer("exact", given.x, given.w, given.g);
  }

  private Handle unrounded(Given given) {
    return given.kernels.infer("unrounded", given.x, given.w, given.g);
  }

  private Handle exactUnrounded(Given given) {
    return given.kernels.infer("exact_unrounded", given.x, given.w, given.g);
  }

  private Handle one(Given given, String method, Handle... arguments) {
    return given.kernels.infer(method, arguments);
  }

  private static float[] normal(Random random, int count) {
    float[] values = new float[count];
    for (int i = 0; i < count; i++) {
      values[i] = (float) random.nextGaussian();
    }
    return values;
  }

  private static void assertClose(float[] found, float[] expected, double relative, int added) {
    assertThat(found).hasSameSizeAs(expected);
    for (int i = 0; i < found.length; i++) {
      double bound = relative * Math.abs(expected[i]) + 1e-6 * added;
      assertThat(Math.abs((double) found[i] - expected[i]))
          .as(i + ": " + found[i] + " for " + expected[i])
          .isLessThanOrEqualTo(bound);
    }
  }
}
