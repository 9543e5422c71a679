package dev.troupe.models.peft;

import java.util.Arrays;
import java.util.Optional;
import java.util.function.Function;
import java.util.stream.IntStream;

/**
 * What an adapter makes of one linear layer's weight: W + scale · B A, and with DoRA each row of it
 * stretched to its magnitude.
 *
 * @param transposed whether the checkpoint stores (inputs, outputs)
 * @param factors A and B, in the base's own order of rows
 * @param magnitudes {@code (outputs)}, of DoRA
 * @param taken what the pair's start has taken out of the weight, {@code (outputs, inputs)}: times
 *     the scale, it is taken out here too
 */
public record LowRank(
    double scale,
    int inputs,
    int outputs,
    boolean transposed,
    Factors factors,
    Optional<float[]> magnitudes,
    Optional<Function<float[], Factors>> taken)
    implements WeightChange {
  /**
   * Two matrices.
   *
   * @param a {@code (rank, inputs)}, row by row
   * @param b {@code (outputs, rank)}, row by row
   */
  public record Factors(int rank, float[] a, float[] b) {
    /** This product less another: of both ranks together. */
    Factors minus(Factors other) {
      int sum = rank + other.rank;
      float[] bothA = Arrays.copyOf(a, a.length + other.a.length);
      System.arraycopy(other.a, 0, bothA, a.length, other.a.length);
      float[] bothB = new float[b.length + other.b.length];
      for (int row = 0; row < bothB.length / sum; row++) {
        System.arraycopy(b, row * rank, bothB, row * sum, rank);
        for (int r = 0; r < other.rank; r++) {
          bothB[row * sum + rank + r] = -other.b[row * other.rank + r];
        }
      }
      return new Factors(sum, bothA, bothB);
    }
  }

  static LowRank of(
      LoraPair pair, LoraStart start, float[] a, float[] b, Optional<float[]> magnitudes) {
    LinearModule module = pair.module();
    return new LowRank(
        pair.scale(),
        module.inputs(),
        module.outputs(),
        module.transposed(),
        new Factors(pair.rank(), a, b),
        magnitudes,
        start.isOfBase()
            ? Optional.of(weight -> start.factors(weight, module.outputs(), module.inputs(), pair))
            : Optional.empty());
  }

  int rank() {
    return factors.rank();
  }

  /**
   * Merges into a weight, in place. Sums are double, so that each number is rounded once.
   *
   * @param weight as the checkpoint has it: {@code (outputs, inputs)}, or {@code (inputs, outputs)}
   *     where that is transposed
   */
  @Override
  public void mergeInto(float[] weight) {
    Factors all = taken.map(start -> factors.minus(start.apply(rows(weight)))).orElse(factors);
    int rank = all.rank();
    int step = transposed ? outputs : 1;
    IntStream.range(0, outputs)
        .parallel()
        .forEach(
            row -> {
              double[] sums = new double[inputs];
              for (int r = 0; r < rank; r++) {
                double factor = scale * all.b()[row * rank + r];
                int at = r * inputs;
                for (int i = 0; i < inputs; i++) {
                  sums[i] += factor * all.a()[at + i];
                }
              }
              int first = transposed ? row : row * inputs;
              double squares = 0;
              for (int i = 0; i < inputs; i++) {
                sums[i] += weight[first + i * step];
                squares += sums[i] * sums[i];
              }
              double stretch =
                  magnitudes.isPresent() ? magnitudes.get()[row] / Math.sqrt(squares) : 1;
              for (int i = 0; i < inputs; i++) {
                weight[first + i * step] = (float) (sums[i] * stretch);
              }
            });
  }

  /** A weight as (outputs, inputs). */
  private float[] rows(float[] weight) {
    if (!transposed) {
      return weight;
    }
    float[] rows = new float[weight.length];
    for (int i = 0; i < inputs; i++) {
      for (int row = 0; row < outputs; row++) {
        rows[row * inputs + i] = weight[i * outputs + row];
      }
    }
    return rows;
  }
}
