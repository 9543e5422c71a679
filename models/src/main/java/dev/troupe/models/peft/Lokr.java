package dev.troupe.models.peft;

import dev.troupe.models.checkpoint.Shape;
import java.util.List;
import java.util.Map;

/**
 * Kronecker products of low rank (Yeh et al., arXiv:2212.10650): W + alpha / rank · (w₁ ⊗ w₂), w₁
 * of one factor of outputs and inputs each, w₂ of the other; each a product of two matrices where
 * the rank is below half of its larger side, w₁ only with {@code decomposeBoth}.
 *
 * @param rank of those that no pattern gives another, at least 1
 * @param alpha numerator of the scale
 * @param factor one of both factors of inputs and outputs, where it divides them; -1 for those
 *     nearest to each other
 * @param rankPattern ranks by a regular expression on the end of a name
 * @param alphaPattern alphas likewise
 */
public record Lokr(
    Targets targets,
    int rank,
    double alpha,
    int factor,
    boolean decomposeBoth,
    Map<String, Integer> rankPattern,
    Map<String, Double> alphaPattern)
    implements ModuleMethod {
  static final String TYPE = "LOKR";

  public Lokr {
    rankPattern = Ranks.checked(rank, alpha, rankPattern, alphaPattern);
    alphaPattern = Ranks.ordered(alphaPattern);
    AdapterKeys.require(
        factor == -1 || factor >= 1, "decompose_factor must be -1 or at least 1, found " + factor);
  }

  /** A number's two factors. */
  private record Factors(int outer, int inner) {
    /** As PEFT finds them: the given one, or up to it those nearest to each other. */
    static Factors of(int dimension, int factor) {
      if (factor > 0 && dimension % factor == 0) {
        return new Factors(factor, dimension / factor);
      }
      int most = factor < 0 ? dimension : factor;
      int m = 1;
      int n = dimension;
      while (m < n) {
        int next = m + 1;
        while (dimension % next != 0) {
          next++;
        }
        if (next > most) {
          break;
        }
        m = next;
        n = dimension / next;
      }
      return new Factors(Math.min(m, n), Math.max(m, n));
    }
  }

  @Override
  public String type() {
    return TYPE;
  }

  private int rank(LinearModule module) {
    return Targets.first(rankPattern, module.name()).orElse(rank);
  }

  /** The scale. */
  @Override
  public double setting(LinearModule module) {
    return Targets.first(alphaPattern, module.name()).orElse(alpha) / rank(module);
  }

  /** w₁ or its two factors, then w₂ or its two. */
  @Override
  public List<ModuleTensor> tensors(LinearModule module) {
    int r = rank(module);
    Factors out = Factors.of(module.outputs(), factor);
    Factors in = Factors.of(module.inputs(), factor);
    boolean first = decomposeBoth && 2 * r < Math.max(out.outer(), in.outer());
    boolean second = 2 * r < Math.max(out.inner(), in.inner());
    return List.of(
        first
            ? tensor(".lokr_w1_a", out.outer(), r, true)
            : tensor(".lokr_w1", out.outer(), in.outer(), true),
        first ? tensor(".lokr_w1_b", r, in.outer(), false) : ModuleTensor.none(),
        second
            ? tensor(".lokr_w2_a", out.inner(), r, false)
            : tensor(".lokr_w2", out.inner(), in.inner(), false),
        second ? tensor(".lokr_w2_b", r, in.inner(), false) : ModuleTensor.none());
  }

  private static ModuleTensor tensor(String suffix, int rows, int columns, boolean zero) {
    return new ModuleTensor(
        suffix,
        Shape.of(rows, columns),
        false,
        zero ? ModuleTensor.constant(0) : ModuleTensor.kaiming(columns));
  }

  @Override
  public Map<String, WeightChange> changes(
      LinearModule module, List<float[]> values, boolean bias) {
    int r = rank(module);
    Factors out = Factors.of(module.outputs(), factor);
    Factors in = Factors.of(module.inputs(), factor);
    double[] one = matrix(values.get(0), values.get(1), out.outer(), in.outer(), r);
    double[] other = matrix(values.get(2), values.get(3), out.inner(), in.inner(), r);
    double scale = setting(module);
    int inputs = module.inputs();
    return Map.of(
        module.name() + ".weight",
        weight ->
            Rows.each(
                module.outputs(),
                row -> {
                  int i = row / out.inner();
                  int k = row % out.inner();
                  for (int column = 0; column < inputs; column++) {
                    int at = row * inputs + column;
                    double product =
                        one[i * in.outer() + column / in.inner()]
                            * other[k * in.inner() + column % in.inner()];
                    weight[at] = (float) (weight[at] + scale * product);
                  }
                }));
  }

  private static double[] matrix(float[] a, float[] b, int rows, int columns, int rank) {
    double[] out = new double[rows * columns];
    for (int row = 0; row < rows; row++) {
      for (int i = 0; i < columns; i++) {
        double sum = 0;
        if (b.length == 0) {
          sum = a[row * columns + i];
        } else {
          for (int r = 0; r < rank; r++) {
            sum += (double) a[row * rank + r] * b[r * columns + i];
          }
        }
        out[row * columns + i] = sum;
      }
    }
    return out;
  }

  @Override
  public String describe() {
    return "LoKr of rank " + rank + ", alpha " + alpha + " on " + targets.describe();
  }
}
