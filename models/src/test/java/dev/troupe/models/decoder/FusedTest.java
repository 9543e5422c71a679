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
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * The library's norms, gates and attention of training, with their gradients: against torch's own
 * operations in double precision, and that a row's bits are its own.
 */
class FusedTest {
  private static final String KERNELS =
      """
      def normed(self, x, g, plus_one: bool):
        y = x * torch.rsqrt((x * x).mean(-1, True) + 1e-5)
        return y * (g + 1) if plus_one else y * g

      def norm(self, numbers: List[Tensor], mode: int, plus_one: bool, narrow: bool) -> List[Tensor]:
        # x, gain, gradient; mode 0: double precision, 1: the library's
        x, g, d = numbers[0], numbers[1], numbers[2]
        if narrow:
          x, d = x.to(15), d.to(15)
        if mode == 0:
          x, g, d = x.double(), g.double(), d.double()
        x, g = x.detach().requires_grad_(True), g.detach().requires_grad_(True)
        torch.set_grad_enabled(True)
        y = self.normed(x, g, plus_one) if mode == 0 else ops.troupe.norm(x, g, 1e-5, plus_one, narrow)
        return self.with_gradients(y, d, [x, g])

      def with_gradients(self, y, d, by: List[Tensor]) -> List[Tensor]:
        given: List[Optional[Tensor]] = [d]
        out = [y.detach().float()]
        for one in torch.grad([y], by, given):
          assert one is not None
          out.append(one.float())
        torch.set_grad_enabled(False)
        return out

      def gate(self, numbers: List[Tensor], mode: int, activation: int, halves: bool, narrow: bool) -> List[Tensor]:
        # gates, factors, gradient
        if narrow:
          numbers = [n.to(15) for n in numbers]
        if mode == 0:
          numbers = [n.double() for n in numbers]
        x, u = numbers[0].detach().requires_grad_(True), numbers[1].detach().requires_grad_(True)
        torch.set_grad_enabled(True)
        if mode == 0:
          a = torch.silu(x) if activation == 0 else torch.gelu(x, approximate='tanh') if activation == 2 else torch.relu(x)
          y = a * u
        elif halves:
          y = ops.troupe.activated(torch.cat([x, u], 1), None, activation, True)
        else:
          y = ops.troupe.activated(x, u, activation, False)
        return self.with_gradients(y, numbers[2], [x, u])

      def turned(self, x, turns):
        # pairs of neighbours
        return torch.view_as_real(torch.view_as_complex(x.reshape(x.size(0), x.size(1), -1, 2)) * torch.view_as_complex(turns).unsqueeze(1)).flatten(2)

      def plainly(self, qkv, gains: List[Tensor], turns, sections: List[int], heads: int, kv: int, window: int):
        d = qkv.size(1) // (heads + 2 * kv)
        q, k, v = qkv.view(qkv.size(0), -1, d).split_with_sizes([heads, kv, kv], 1)
        q, k = self.normed(q, gains[0], True), self.normed(k, gains[1], True)
        q, k = self.turned(q, turns), self.turned(k, turns)
        k, v = k.repeat_interleave(heads // kv, 1), v.repeat_interleave(heads // kv, 1)
        out: List[Tensor] = []
        at = 0
        for i in range(0, len(sections), 2):
          t = sections[i + 1]
          back = torch.arange(t).unsqueeze(1) - torch.arange(t).unsqueeze(0)
          hidden = (back < 0) | (back >= window) if window > 0 else back < 0
          for row in range(sections[i]):
            a, b, c = q[at:at + t].transpose(0, 1), k[at:at + t].transpose(0, 1), v[at:at + t].transpose(0, 1)
            s = torch.matmul(a, b.transpose(1, 2)) * 0.3
            o = torch.matmul(torch.softmax(s.masked_fill(hidden, -inf), -1), c)
            out.append(o.transpose(0, 1).reshape(t, heads * d))
            at += t
        return torch.cat(out)

      def attention(self, numbers: List[Tensor], mode: int, sections: List[int], heads: int, kv: int, window: int, narrow: bool) -> List[Tensor]:
        # qkv, gains of q and k, angles, gradient
        qkv, d = numbers[0], numbers[4]
        gains = [numbers[1], numbers[2]]
        angles = numbers[3]
        if narrow:
          qkv, d = qkv.to(15), d.to(15)
        turns = torch.stack([torch.cos(angles), torch.sin(angles)], -1)
        if mode == 0:
          qkv, d, turns = qkv.double(), d.double(), turns.double()
          gains = [g.double() for g in gains]
        qkv = qkv.detach().requires_grad_(True)
        gains = [g.detach().requires_grad_(True) for g in gains]
        torch.set_grad_enabled(True)
        if mode == 0:
          y = self.plainly(qkv, gains, turns, sections, heads, kv, window)
        else:
          y = ops.troupe.attended(qkv, gains[0], gains[1], 1e-5, True, turns, sections, heads, kv, window, 0.3)
        return self.with_gradients(y, d, [qkv] + gains)

      def bare(self, numbers: List[Tensor], sections: List[int], heads: int, kv: int) -> List[Tensor]:
        return [ops.troupe.attended(numbers[0], None, None, 0.0, False, None, sections, heads, kv, 0, 0.3)]

      def lone_norm(self, numbers: List[Tensor]) -> List[Tensor]:
        return [ops.troupe.norm(numbers[0], numbers[1], 1e-5, False, False)]

      def lone_gate(self, numbers: List[Tensor], activation: int) -> List[Tensor]:
        return [ops.troupe.activated(numbers[0], numbers[1], activation, False)]
      """;

  /** Half a step of bfloat16, of a number just above a power of two. */
  private static final double ROUNDED = 0x1p-8;

  /** Of float32, of what was added up. */
  private static final double EXACT = 1e-6;

  @BeforeEach
  void libraryIsThere() {
    assumeTrue(NativeLibrary.state() instanceof NativeLibrary.Loaded);
  }

  @ParameterizedTest
  @CsvSource({"1, 1", "3, 7", "70, 16", "40, 33", "5, 576"})
  void normAndItsGradients_areThoseOfDoublePrecision(int rows, int width) {
    Random random = new Random(rows + 31L * width);
    List<float[]> numbers =
        List.of(normal(random, rows * width), normal(random, width), normal(random, rows * width));
    long[][] shapes = {{rows, width}, {width}, {rows, width}};
    for (boolean plusOne : new boolean[] {false, true}) {
      for (boolean narrow : new boolean[] {false, true}) {
        float[][] exact = call("norm", numbers, shapes, 0L, plusOne, narrow);
        float[][] found = call("norm", numbers, shapes, 1L, plusOne, narrow);
        assertClose(found[0], exact[0], narrow ? ROUNDED : 0, 10 * EXACT);
        assertClose(found[1], exact[1], narrow ? ROUNDED : 0, 10 * EXACT * size(exact[1]));
        assertClose(found[2], exact[2], 0, EXACT * rows);
      }
    }
  }

  @ParameterizedTest
  @CsvSource({"1, 1", "3, 7", "70, 16", "40, 33", "5, 1536"})
  void gatesAndTheirGradients_areThoseOfDoublePrecision(int rows, int width) {
    Random random = new Random(rows + 31L * width);
    List<float[]> numbers = Stream.generate(() -> normal(random, rows * width)).limit(3).toList();
    long[][] shapes = {{rows, width}, {rows, width}, {rows, width}};
    for (long activation : new long[] {0, 2, 3}) {
      for (boolean halves : new boolean[] {false, true}) {
        for (boolean narrow : new boolean[] {false, true}) {
          float[][] exact = call("gate", numbers, shapes, 0L, activation, halves, narrow);
          float[][] found = call("gate", numbers, shapes, 1L, activation, halves, narrow);
          for (int i = 0; i < 3; i++) {
            assertClose(found[i], exact[i], narrow ? ROUNDED : 0, 10 * EXACT);
          }
        }
      }
    }
  }

  /** Texts shorter and longer than a block of queries, several sections, windows, shared heads. */
  @ParameterizedTest
  @CsvSource({
    "'1,1', 1, 1, 4, 0",
    "'2,5', 4, 2, 16, 0",
    "'1,130', 2, 1, 8, 0",
    "'2,70,3,33', 3, 3, 6, 0",
    "'1,97,0,9,2,3', 9, 3, 8, 0",
    "'1,130', 2, 2, 8, 20",
    "'1,40,2,9', 4, 1, 64, 7"
  })
  void attentionAndItsGradients_areThoseOfDoublePrecision(
      String texts, int heads, int kv, int d, int window) {
    long[] sections = Arrays.stream(texts.split(",")).mapToLong(Long::parseLong).toArray();
    int positions = positions(sections);
    Random random = new Random(positions + 31L * heads);
    int width = (heads + 2 * kv) * d;
    List<float[]> numbers =
        List.of(
            normal(random, positions * width),
            normal(random, d),
            normal(random, d),
            normal(random, positions * (d / 2)),
            normal(random, positions * heads * d));
    long[][] shapes = {
      {positions, width}, {d}, {d}, {positions, d / 2L}, {positions, (long) heads * d}
    };
    for (boolean narrow : new boolean[] {false, true}) {
      Object[] how = {sections, (long) heads, (long) kv, (long) window, narrow};
      float[][] exact = call("attention", numbers, shapes, prepended(0L, how));
      float[][] found = call("attention", numbers, shapes, prepended(1L, how));
      assertClose(found[0], exact[0], narrow ? ROUNDED : 0, 5 * EXACT);
      for (int i = 1; i < 4; i++) {
        assertClose(found[i], exact[i], narrow ? ROUNDED : 0, 5 * EXACT * size(exact[i]));
      }
    }
  }

  /** However many texts are beside it, and however long they are. */
  @ParameterizedTest
  @ValueSource(ints = {1, 31, 32, 33, 96})
  void aText_comesToTheSameBits_besideOthers(int tokens) {
    Random random = new Random(tokens);
    float[] text = normal(random, tokens * 40);
    float[] other = normal(random, 100 * 40);
    float[] alone =
        call("bare", List.of(text), new long[][] {{tokens, 40}}, new long[] {1, tokens}, 3L, 1L)[0];
    float[] both = Arrays.copyOf(other, 100 * 40 + text.length);
    System.arraycopy(text, 0, both, 100 * 40, text.length);
    long[] sections = {1, 100, 1, tokens};
    float[] found =
        call("bare", List.of(both), new long[][] {{100L + tokens, 40}}, sections, 3L, 1L)[0];
    assertThat(Arrays.copyOfRange(found, 100 * 24, found.length)).containsExactly(alone);
  }

  @Test
  void noRows_giveNone() {
    List<float[]> two = List.of(new float[0], normal(new Random(1), 6), new float[0]);
    long[][] shapes = {{0, 6}, {6}, {0, 6}};
    float[][] found = call("norm", two, shapes, 1L, false, false);
    assertThat(found[0]).isEmpty();
    assertThat(found[2]).containsOnly(0f);
    List<float[]> none = List.of(new float[0]);
    assertThat(call("bare", none, new long[][] {{0, 40}}, new long[] {0, 9}, 3L, 1L)[0]).isEmpty();
  }

  @Test
  void otherShapes_areErrorsInWords() {
    List<float[]> numbers = List.of(new float[12], new float[5]);
    assertThatThrownBy(() -> call("lone_norm", numbers, new long[][] {{2, 6}, {5}}))
        .isInstanceOf(KernelException.class)
        .hasMessageContaining("troupe::norm: the gain must be 6 contiguous float32 numbers")
        .hasMessageContaining("is Float [5]");
    assertThatThrownBy(() -> call("lone_gate", numbers, new long[][] {{2, 6}, {1, 5}}, 0L))
        .hasMessageContaining("troupe::activated: the factors must be as x, Float [2, 6]");
    assertThatThrownBy(
            () -> call("lone_gate", List.of(new float[1], new float[1]), new long[2][0], 1L))
        .hasMessageContaining("no activation of number 1");
    List<float[]> qkv = List.of(new float[40]);
    assertThatThrownBy(() -> call("bare", qkv, new long[][] {{2, 20}}, new long[] {1, 3}, 2L, 1L))
        .hasMessageContaining("troupe::attended: the sections [1, 3] have 3 positions, qkv has 2");
    assertThatThrownBy(() -> call("bare", qkv, new long[][] {{2, 20}}, new long[] {1, 2}, 3L, 2L))
        .hasMessageContaining("3 heads cannot share 2");
    assertThatThrownBy(() -> call("bare", qkv, new long[][] {{2, 20}}, new long[] {1, 2}, 5L, 1L))
        .hasMessageContaining("is Float [2, 20]")
        .hasMessageContaining("for 5 and 2 x 1 heads");
  }

  // ---- on a lane

  private static int positions(long[] sections) {
    int all = 0;
    for (int i = 0; i < sections.length; i += 2) {
      all += (int) (sections[i] * sections[i + 1]);
    }
    return all;
  }

  private static Object[] prepended(Object first, Object[] others) {
    Object[] all = new Object[others.length + 1];
    all[0] = first;
    System.arraycopy(others, 0, all, 1, others.length);
    return all;
  }

  /** A method of the kernels on tensors of these numbers and shapes, and further arguments. */
  private static float[][] call(
      String method, List<float[]> numbers, long[][] shapes, Object... further) {
    return Lanes.shared()
        .run(
            () -> {
              Handle[] tensors = new Handle[numbers.size()];
              for (int i = 0; i < tensors.length; i++) {
                tensors[i] = Handle.of(numbers.get(i), shapes[i]);
              }
              Handle[] arguments = new Handle[1 + further.length];
              arguments[0] = Handle.ofTensors(List.of(tensors));
              for (int i = 0; i < further.length; i++) {
                arguments[1 + i] = handle(further[i]);
              }
              try (KernelModule kernels = KernelModule.compile("fused", KERNELS, Map.of());
                  Handle found = GradMode.with(() -> kernels.train(method, arguments))) {
                Handle[] parts = found.parts();
                float[][] out = new float[parts.length][];
                for (int i = 0; i < parts.length; i++) {
                  try (Handle part = parts[i]) {
                    out[i] = part.floats();
                  }
                }
                return out;
              } finally {
                Stream.concat(Arrays.stream(arguments), Arrays.stream(tensors))
                    .forEach(Handle::close);
              }
            });
  }

  private static Handle handle(Object value) {
    if (value instanceof Boolean flag) {
      return Handle.of(flag);
    }
    return value instanceof long[] list ? Handle.ofList(list) : Handle.of((long) value);
  }

  private static float[] normal(Random random, int count) {
    float[] values = new float[count];
    for (int i = 0; i < count; i++) {
      values[i] = (float) random.nextGaussian();
    }
    return values;
  }

  private static double size(float[] values) {
    double most = 1;
    for (float value : values) {
      most = Math.max(most, Math.abs(value));
    }
    return most;
  }

  private static void assertClose(
      float[] found, float[] expected, double relative, double absolute) {
    assertThat(found).hasSameSizeAs(expected);
    for (int i = 0; i < found.length; i++) {
      double bound = relative * Math.abs(expected[i]) + absolute;
      assertThat(Math.abs((double) found[i] - expected[i]))
          .as(i + ": " + found[i] + " for " + expected[i])
          .isLessThanOrEqualTo(bound);
    }
  }
}
