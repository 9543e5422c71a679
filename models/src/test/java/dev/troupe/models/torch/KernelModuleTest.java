package dev.troupe.models.torch;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;

/** Kernels compile and run as Python would have them, and say where they fail. */
final class KernelModuleTest {
  private static final String KERNELS =
      """
      def divide(self, x, y):
        return x / y

      def ones(self, n: int):
        return torch.full([n], 1)

      def record(self, x) -> bool:
        # whether autograd sees an operation on a leaf
        return (x.clone().detach().requires_grad_(True) * 2).requires_grad

      def double(self, x):
        return x * 2

      def gradient(self, x, weight):
        # d sum(x * weight) / dx
        leaf = x.clone().detach().requires_grad_(True)
        return torch.grad([(leaf * weight).sum()], [leaf])[0]

      def step(self, p: List[Tensor], g: List[Tensor], m: List[Tensor], v: List[Tensor], n: List[Tensor]) -> int:
        torch._fused_adamw_(p, g, m, v, [], n, lr=0.5, beta1=0.9, beta2=0.9, weight_decay=0.0, eps=0.0, amsgrad=False, maximize=False)
        return 1

      def positive(self, x: int) -> int:
        assert x > 0, 'x must be positive'
        return x

      def numbers(self) -> List[Tensor]:
        return [torch.tensor([self.whole]), torch.tensor([self.real]), torch.tensor([1 if self.flag else 0]), torch.tensor(self.sizes)]
      """;

  private static KernelModule module(String text) {
    return KernelModule.compile("test.py", text, Map.of());
  }

  private static KernelModule module() {
    Map<String, Object> attributes = new LinkedHashMap<>();
    attributes.put("whole", -5_000_000_000L);
    attributes.put("real", -0.1);
    attributes.put("flag", true);
    attributes.put("sizes", new long[] {3, 0, 1L << 40});
    return KernelModule.compile("test.py", KERNELS, attributes);
  }

  @Test
  void divide_integers_keepsTheFraction() {
    // The archive's format version decides: an old one brings back 1 / 2 = 0.
    try (KernelModule module = module();
        Handle one = Handle.of(new long[] {1, -1}, 2);
        Handle two = Handle.of(new long[] {2, 2}, 2);
        Handle half = module.infer("divide", one, two);
        Handle count = Handle.of(3);
        Handle ones = module.infer("ones", count)) {
      assertThat(half.floats()).containsExactly(0.5f, -0.5f);
      assertThat(ones.longs()).containsExactly(1, 1, 1);
    }
  }

  @Test
  void step_listsAsArguments_writesToTheTensors() {
    // Through lists made inside a kernel it would silently write nowhere.
    try (KernelModule module = module();
        Handle p = Handle.of(new float[] {1, 2}, 2);
        Handle g = Handle.of(new float[] {3, -4}, 2);
        Handle m = Handle.of(new float[2], 2);
        Handle v = Handle.of(new float[2], 2);
        Handle n = Handle.of(new float[] {1}, 1);
        Handle ps = Handle.ofTensors(List.of(p));
        Handle gs = Handle.ofTensors(List.of(g));
        Handle ms = Handle.ofTensors(List.of(m));
        Handle vs = Handle.ofTensors(List.of(v));
        Handle ns = Handle.ofTensors(List.of(n))) {
      module.train("step", ps, gs, ms, vs, ns).close();
      // The first step of Adam without epsilon goes by the learning rate against the sign.
      assertThat(p.floats()).usingComparatorWithPrecision(1e-6f).containsExactly(0.5f, 2.5f);
      assertThat(m.floats()).usingComparatorWithPrecision(1e-6f).containsExactly(0.3f, -0.4f);
    }
  }

  @Test
  void gradMode_onEveryLane_isOffUnlessAskedFor() {
    try (KernelModule module = module();
        Lanes lanes = new Lanes(3);
        Handle x = Handle.of(new float[] {1}, 1)) {
      for (int round = 0; round < 2; round++) {
        assertThat(lanes.map(3, i -> records(module, x))).containsOnly(false);
        assertThat(lanes.map(3, i -> GradMode.with(() -> records(module, x)))).containsOnly(true);
        assertThat(lanes.map(3, i -> records(module, x))).containsOnly(false);
      }
      assertThatThrownBy(
              () ->
                  lanes.run(
                      () ->
                          GradMode.with(
                              () -> {
                                throw new IllegalStateException("on purpose");
                              })))
          .hasMessage("on purpose");
      assertThat(lanes.run(() -> records(module, x))).isFalse();
    }
  }

  private static boolean records(KernelModule module, Handle x) {
    try (Handle result = module.train("record", x)) {
      return result.asBoolean();
    }
  }

  @Test
  void infer_result_isRefusedByAutograd_train_resultIsNot() {
    try (KernelModule module = module();
        Lanes lanes = new Lanes(1);
        Handle x = Handle.of(new float[] {3}, 1);
        Handle inferred = lanes.run(() -> module.infer("double", x));
        Handle trained = lanes.run(() -> module.train("double", x))) {
      Handle gradient = lanes.run(() -> GradMode.with(() -> module.train("gradient", x, trained)));
      assertThat(gradient.floats()).containsExactly(6);
      gradient.close();
      assertThatThrownBy(
              () -> lanes.run(() -> GradMode.with(() -> module.train("gradient", x, inferred))))
          .isInstanceOf(KernelException.class)
          .hasMessageContaining("Inference tensors cannot be saved for backward");
    }
  }

  @Test
  void attributes_ofEveryType_arrive() {
    try (KernelModule module = module();
        Handle numbers = module.infer("numbers")) {
      Handle[] parts = numbers.parts();
      assertThat(parts[0].longs()).containsExactly(-5_000_000_000L);
      assertThat(parts[1].floats()).containsExactly(-0.1f);
      assertThat(parts[2].longs()).containsExactly(1);
      assertThat(parts[3].longs()).containsExactly(3, 0, 1L << 40);
      for (Handle part : parts) {
        part.close();
      }
    }
  }

  @Test
  void compile_unknownFunction_namesResourceAndItsOwnLine() {
    assertThatThrownBy(
            () ->
                KernelModule.compile(
                    "kernels/wrong.py",
                    "def f(self, x):\n  y = x + 1\n  return torch.nosuch(y)\n",
                    Map.of("a", 1L, "b", 2L)))
        .isInstanceOf(KernelException.class)
        .hasMessageContaining("kernels/wrong.py")
        .hasMessageContaining("nosuch")
        .hasMessageContaining("line 3")
        .hasMessageNotContaining("__torch__");
  }

  @Test
  void call_failing_namesMethodLineAndReason() {
    try (KernelModule module = module();
        Handle minus = Handle.of(-1)) {
      assertThatThrownBy(() -> module.infer("positive", minus))
          .isInstanceOf(KernelException.class)
          .hasMessageContaining("test.py, positive")
          .hasMessageContaining("x must be positive")
          .hasMessageContaining("line 24");
      assertThatThrownBy(() -> module.infer("nosuch", minus))
          .isInstanceOf(KernelException.class)
          .hasMessageContaining("nosuch");
      assertThatThrownBy(() -> module.infer("positive"))
          .isInstanceOf(KernelException.class)
          .hasMessageContaining("missing value for argument 'x'");
    }
  }

  @Test
  void load_placeholder_isReplaced() {
    try (KernelModule module =
            module("def f(self, x):\n  return x $SIGN 2\n".replace("$SIGN", "+"));
        Handle x = Handle.of(new float[] {1}, 1);
        Handle y = module.infer("f", x)) {
      assertThat(y.floats()).containsExactly(3);
    }
    assertThatThrownBy(
            () -> KernelModule.load(KernelModule.class, "/kernels/nosuch.py", Map.of(), Map.of()))
        .hasMessageContaining("/kernels/nosuch.py");
  }

  @Test
  void call_fromManyLanes_givesEachItsOwnResult() {
    try (KernelModule module = module();
        Lanes lanes = new Lanes(4)) {
      List<Float> results =
          lanes.map(
              200,
              i -> {
                try (Handle x = Handle.of(new float[] {i}, 1);
                    Handle y = module.infer("double", x)) {
                  return y.floats()[0];
                }
              });
      for (int i = 0; i < results.size(); i++) {
        assertThat(results.get(i)).isEqualTo(2f * i);
      }
    }
  }
}
