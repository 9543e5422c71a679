package dev.troupe.models.peft;

import dev.troupe.models.checkpoint.Shape;
import java.util.List;
import java.util.Map;

/**
 * Orthogonal fine-tuning (Qiu et al., arXiv:2306.07280; Qiu et al., arXiv:2506.19847): y = W (x R)
 * + b, R turning each block of inputs by itself. A block's R is made of a skew matrix Q: Cayley's
 * (I − Q)(I + Q)⁻¹, or the first terms of the series of its inverse, which PEFT cuts since 0.18 as
 * I + 2Q + … + 2Qⁿ⁻² + Qⁿ⁻¹.
 *
 * @param blocks of each layer; 0 where their size is given
 * @param blockSize inputs of a block; 0 where their number is given. Where one or the other does
 *     not divide a layer's inputs, it is the nearest number that does
 * @param terms of the series; 0 for none but the whole
 */
public record Oft(Targets targets, int blocks, int blockSize, int terms) implements ModuleMethod {
  static final String TYPE = "OFT";

  public Oft {
    AdapterKeys.require(
        blocks >= 0 && blockSize >= 0 && (blocks == 0) != (blockSize == 0),
        "either r (the number of blocks) or oft_block_size must be above 0, the other 0; found "
            + blocks
            + " and "
            + blockSize);
    AdapterKeys.require(
        terms == 0 || terms >= 2, "num_cayley_neumann_terms must be at least 2, found " + terms);
  }

  @Override
  public String type() {
    return TYPE;
  }

  /** The size of a layer's blocks. */
  @Override
  public double setting(LinearModule module) {
    return block(module.inputs());
  }

  private int block(int inputs) {
    return blocks == 0 ? divisor(blockSize, inputs) : inputs / divisor(blocks, inputs);
  }

  /** The nearest number that divides the inputs, as PEFT has it. */
  private static int divisor(int asked, int inputs) {
    if (asked >= inputs) {
      return inputs;
    }
    int higher = asked;
    while (inputs % higher != 0) {
      higher++;
    }
    int lower = asked;
    while (inputs % lower != 0) {
      lower--;
    }
    return asked - lower <= higher - asked ? lower : higher;
  }

  @Override
  public List<ModuleTensor> tensors(LinearModule module) {
    int block = block(module.inputs());
    return List.of(
        new ModuleTensor(
            ".oft_R.weight",
            Shape.of(module.inputs() / block, block * (block - 1) / 2),
            false,
            ModuleTensor.constant(0)));
  }

  @Override
  public Map<String, WeightChange> changes(
      LinearModule module, List<float[]> values, boolean bias) {
    int block = block(module.inputs());
    int count = module.inputs() / block;
    int numbers = block * (block - 1) / 2;
    double[][][] turns = new double[count][][];
    Rows.each(count, i -> turns[i] = turn(values.get(0), i * numbers, block));
    return Map.of(
        module.name() + ".weight", weight -> Turns.turnRows(weight, module.outputs(), turns));
  }

  private double[][] turn(float[] values, int at, int block) {
    double[][] q = new double[block][block];
    int next = at;
    for (int i = 0; i < block; i++) {
      for (int j = i + 1; j < block; j++) {
        q[i][j] = values[next];
        q[j][i] = -values[next];
        next++;
      }
    }
    return terms == 0 ? Turns.cayley(q) : series(q);
  }

  private double[][] series(double[][] q) {
    // PEFT has as many for 3 as for 4.
    int count = terms == 3 ? 4 : terms;
    double[][] sum = Turns.identity(q.length);
    double[][] power = q;
    for (int term = 1; term < count; term++) {
      boolean last = term == count - 1 && term > 1;
      for (int i = 0; i < q.length; i++) {
        for (int j = 0; j < q.length; j++) {
          sum[i][j] += (last ? 1 : 2) * power[i][j];
        }
      }
      power = times(power, q);
    }
    return sum;
  }

  private static double[][] times(double[][] a, double[][] b) {
    int n = a.length;
    double[][] out = new double[n][n];
    for (int i = 0; i < n; i++) {
      for (int k = 0; k < n; k++) {
        for (int j = 0; j < n; j++) {
          out[i][j] += a[i][k] * b[k][j];
        }
      }
    }
    return out;
  }

  @Override
  public String describe() {
    return (blocks == 0 ? "OFT in blocks of " + blockSize : "OFT in " + blocks + " blocks")
        + " on "
        + targets.describe();
  }
}
