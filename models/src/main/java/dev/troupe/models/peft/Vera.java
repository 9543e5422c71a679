package dev.troupe.models.peft;

import dev.troupe.models.checkpoint.ModelConfig;
import dev.troupe.models.checkpoint.Shape;
import dev.troupe.models.checkpoint.TensorData;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;

/**
 * Vector-based random matrix adaptation (Kopiczko et al., arXiv:2310.11454): y = W x + b ⊙ (B (d ⊙
 * (A x))), A and B random and the same for all layers, of which each takes as many columns of A and
 * rows of B as it has inputs and outputs; the vectors b and d are trained.
 *
 * @param rank rows of A, at least 1
 * @param start of each number of d; b starts as 0
 * @param key of the random numbers, as torch's generator has them
 * @param saved whether the adapter's file brings A and B
 */
public record Vera(Targets targets, int rank, double start, long key, boolean saved)
    implements ModuleMethod {
  static final String TYPE = "VERA";

  private static final String A = "vera_A";
  private static final String B = "vera_B";

  public Vera {
    AdapterKeys.require(rank >= 1, "r must be at least 1, found " + rank);
    AdapterKeys.require(
        Double.isFinite(start), "d_initial must be a finite number, found " + start);
  }

  @Override
  public String type() {
    return TYPE;
  }

  @Override
  public boolean takesTransposed() {
    return true;
  }

  /** The rank. */
  @Override
  public double setting(LinearModule module) {
    return rank;
  }

  @Override
  public List<ModuleTensor> tensors(LinearModule module) {
    return List.of(
        new ModuleTensor(
            ".vera_lambda_b", Shape.of(module.outputs()), true, ModuleTensor.constant(0)),
        new ModuleTensor(".vera_lambda_d", Shape.of(rank), false, ModuleTensor.constant(start)));
  }

  /** PEFT draws A, then B, from one generator, both by the inputs of what they multiply. */
  @Override
  public List<SharedTensor> shared(ModelConfig model) {
    List<LinearModule> modules = modules(model);
    int inputs = modules.stream().mapToInt(LinearModule::inputs).max().orElse(0);
    int outputs = modules.stream().mapToInt(LinearModule::outputs).max().orElse(0);
    return List.of(
        new SharedTensor(A, Shape.of(rank, inputs), () -> draw(inputs, outputs)[0]),
        new SharedTensor(B, Shape.of(outputs, rank), () -> draw(inputs, outputs)[1]));
  }

  /** The same, whose file brings A and B. */
  public Vera withProjections() {
    return new Vera(targets, rank, start, key, true);
  }

  private float[][] draw(int inputs, int outputs) {
    TorchRandom random = new TorchRandom(key);
    float[] a = random.uniform(rank * inputs, bound(inputs));
    return new float[][] {a, random.uniform(outputs * rank, bound(rank))};
  }

  private static double bound(int columns) {
    return Math.sqrt(3.0) * (Math.sqrt(2) / Math.sqrt(columns));
  }

  @Override
  public Map<String, Shape> tensors(ModelConfig model) {
    Map<String, Shape> found = new LinkedHashMap<>(ModuleMethod.super.tensors(model));
    if (saved) {
      shared(model).forEach(tensor -> found.put(tensor.name(), tensor.shape()));
    }
    return found;
  }

  @Override
  public String inFile(String tensor) {
    return tensor.equals(A) || tensor.equals(B)
        ? "base_model." + tensor
        : ModuleMethod.super.inFile(tensor);
  }

  @Override
  public Map<String, WeightChange> changes(ModelConfig model, Map<String, TensorData> tensors) {
    List<float[]> both =
        shared(model).stream()
            .map(
                tensor ->
                    tensors.containsKey(tensor.name())
                        ? Objects.requireNonNull(tensors.get(tensor.name())).floats()
                        : tensor.values().get())
            .toList();
    int columns = both.get(0).length / rank;
    Map<String, WeightChange> found = new LinkedHashMap<>();
    for (LinearModule module : modules(model)) {
      float[] ofOutputs = floats(tensors, module.name() + ".vera_lambda_b");
      float[] ofRanks = floats(tensors, module.name() + ".vera_lambda_d");
      int step = module.transposed() ? module.outputs() : 1;
      found.put(
          module.name() + ".weight",
          weight ->
              Rows.each(
                  module.outputs(),
                  row -> {
                    double[] sums = new double[module.inputs()];
                    for (int r = 0; r < rank; r++) {
                      double factor =
                          (double) ofOutputs[row] * both.get(1)[row * rank + r] * ofRanks[r];
                      for (int i = 0; i < sums.length; i++) {
                        sums[i] += factor * both.get(0)[r * columns + i];
                      }
                    }
                    int first = module.transposed() ? row : row * module.inputs();
                    for (int i = 0; i < sums.length; i++) {
                      int at = first + i * step;
                      weight[at] = (float) (weight[at] + sums[i]);
                    }
                  }));
    }
    return found;
  }

  private static float[] floats(Map<String, TensorData> tensors, String name) {
    return Objects.requireNonNull(tensors.get(name), name).floats();
  }

  /** {@link #changes(ModelConfig, Map)} has them, by what all layers share. */
  @Override
  public Map<String, WeightChange> changes(
      LinearModule module, List<float[]> values, boolean bias) {
    throw new IllegalStateException("VeRA's layers share matrices");
  }

  @Override
  public String describe() {
    return "VeRA of rank " + rank + " on " + targets.describe();
  }
}
