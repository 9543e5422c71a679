package dev.troupe.models.peft;

import dev.troupe.models.checkpoint.Shape;
import java.util.List;
import java.util.Map;

/**
 * Butterfly orthogonal fine-tuning of one factor (Liu et al., arXiv:2311.06243): y = s ⊙ (W (x M))
 * + b, M turning each block of inputs by itself, made by Cayley of the skew part of a free matrix,
 * and s a factor for each output. More factors would turn blocks across each other; PEFT has them
 * where its CUDA extension is.
 *
 * @param blockSize inputs of a block; 0 where their number is given. It must divide
 * @param blocks of each layer; 0 where their size is given
 */
public record Boft(Targets targets, int blockSize, int blocks) implements ModuleMethod {
  static final String TYPE = "BOFT";

  public Boft {
    AdapterKeys.require(
        blocks >= 0 && blockSize >= 0 && (blocks == 0) != (blockSize == 0),
        "either boft_block_size or boft_block_num must be above 0, the other 0; found "
            + blockSize
            + " and "
            + blocks);
  }

  @Override
  public String type() {
    return TYPE;
  }

  /** The size of a layer's blocks. */
  @Override
  public double setting(LinearModule module) {
    return block(module);
  }

  private int block(LinearModule module) {
    int given = Math.max(blocks, blockSize);
    AdapterKeys.require(
        module.inputs() % given == 0,
        (blocks == 0 ? "boft_block_size " : "boft_block_num ")
            + given
            + " does not divide the "
            + module.inputs()
            + " inputs of '"
            + module.name()
            + "'");
    return blocks == 0 ? blockSize : module.inputs() / blocks;
  }

  @Override
  public List<ModuleTensor> tensors(LinearModule module) {
    int block = block(module);
    return List.of(
        new ModuleTensor(
            ".boft_R",
            Shape.of(1, module.inputs() / block, block, block),
            false,
            ModuleTensor.constant(0)),
        new ModuleTensor(".boft_s", Shape.of(module.outputs(), 1), true, ModuleTensor.constant(1)));
  }

  @Override
  public Map<String, WeightChange> changes(
      LinearModule module, List<float[]> values, boolean bias) {
    int block = block(module);
    int count = module.inputs() / block;
    float[] free = values.get(0);
    double[][][] turns = new double[count][][];
    Rows.each(count, i -> turns[i] = Turns.cayley(skew(free, i * block * block, block)));
    return Map.of(
        module.name() + ".weight",
        weight -> {
          Turns.turnRows(weight, module.outputs(), turns);
          Rows.each(
              module.outputs(),
              row -> {
                for (int i = 0; i < module.inputs(); i++) {
                  weight[row * module.inputs() + i] *= values.get(1)[row];
                }
              });
        });
  }

  /** Half of a matrix less its transpose. */
  private static double[][] skew(float[] free, int at, int block) {
    double[][] skew = new double[block][block];
    for (int i = 0; i < block; i++) {
      for (int j = 0; j < block; j++) {
        skew[i][j] = 0.5 * (free[at + i * block + j] - (double) free[at + j * block + i]);
      }
    }
    return skew;
  }

  @Override
  public String describe() {
    return (blocks == 0 ? "BOFT in blocks of " + blockSize : "BOFT in " + blocks + " blocks")
        + " on "
        + targets.describe();
  }
}
