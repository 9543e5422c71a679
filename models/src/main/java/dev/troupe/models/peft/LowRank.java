package dev.troupe.models.peft;

import java.util.Optional;
import java.util.stream.IntStream;

/**
 * What an adapter makes of one linear layer's weight: W + scale · B A, and with DoRA each row of it
 * stretched to its magnitude.
 *
 * @param transposed whether the checkpoint stores (inputs, outputs)
 * @param a {@code (rank, inputs)}, row by row
 * @param b {@code (outputs, rank)}, row by row, in the base's own order of rows
 * @param magnitudes {@code (outputs)}, of DoRA
 */
public record LowRank(
    int rank,
    double scale,
    int inputs,
    int outputs,
    boolean transposed,
    float[] a,
    float[] b,
    Optional<float[]> magnitudes)
    implements WeightChange {
  static LowRank of(LoraPair pair, float[] a, float[] b, Optional<float[]> magnitudes) {
    LinearModule module = pair.module();
    return new LowRank(
        pair.rank(),
        pair.scale(),
        module.inputs(),
        module.outputs(),
        module.transposed(),
        a,
        b,
        magnitudes);
  }

  /**
   * Merges into a weight, in place. Sums are double, so that each number is rounded once.
   *
   * @param weight as the checkpoint has it: {@code (outputs, inputs)}, or {@code (inputs, outputs)}
   *     where that is transposed
   */
  @Override
  public void mergeInto(float[] weight) {
    int step = transposed ? outputs : 1;
    IntStream.range(0, outputs)
        .parallel()
        .forEach(
            row -> {
              double[] sums = new double[inputs];
              for (int r = 0; r < rank; r++) {
                double factor = scale * b[row * rank + r];
                int at = r * inputs;
                for (int i = 0; i < inputs; i++) {
                  sums[i] += factor * a[at + i];
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
}
