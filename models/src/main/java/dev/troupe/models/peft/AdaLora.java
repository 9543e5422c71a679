package dev.troupe.models.peft;

import dev.troupe.models.checkpoint.ModelConfig;
import dev.troupe.models.checkpoint.Shape;
import dev.troupe.models.checkpoint.TensorData;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.TreeSet;
import java.util.stream.IntStream;

/**
 * LoRA whose rank is shared out among the layers while it is trained (Zhang et al.,
 * arXiv:2303.10512): W + alpha / (first rank + 1e-5) · B diag(E) A, of whose triplets the least
 * important lose their E.
 *
 * @param firstRank of every layer at the start
 * @param alpha numerator of the scale; where it is 0 or less, the first rank
 * @param budget how the ranks are shared out
 * @param kept of a finished adapter's layers, by their names: which triplets are left; empty while
 *     all are there
 */
public record AdaLora(
    Targets targets, int firstRank, double alpha, Budget budget, Map<String, List<Boolean>> kept)
    implements ModuleMethod {
  static final String TYPE = "ADALORA";

  static final String A = ".lora_A";
  static final String B = ".lora_B";
  static final String E = ".lora_E";

  /** Of A and B at the start, as in PEFT. */
  private static final double DEVIATION = 0.02;

  /**
   * How ranks are shared out over the steps of training.
   *
   * @param targetRank of a layer at the end, on average
   * @param firstSteps in which all triplets stay
   * @param lastSteps in which those that are left stay
   * @param everySteps triplets are chosen anew
   * @param beta1 of the mean of a number's importance
   * @param beta2 of the mean of its uncertainty
   * @param orthogonality weight of how far A and B are from orthogonal, in the loss
   * @param totalSteps of training
   */
  public record Budget(
      int targetRank,
      int firstSteps,
      int lastSteps,
      int everySteps,
      double beta1,
      double beta2,
      double orthogonality,
      int totalSteps) {
    /** Triplets of all layers that may be left behind a step, counted from 0 (equation 12). */
    public int of(long step, int layers, int firstRank) {
      int first = layers * firstRank;
      int last = layers * targetRank;
      if (step <= firstSteps) {
        return first;
      }
      if (step > totalSteps - lastSteps) {
        return last;
      }
      double share = 1 - (step - firstSteps) / (double) (totalSteps - lastSteps - firstSteps);
      return (int) ((first - last) * (share * share * share) + last);
    }

    /** Whether triplets are chosen behind a step. */
    public boolean chooses(long step) {
      return step == totalSteps - lastSteps
          || (step > firstSteps && step < totalSteps - lastSteps && step % everySteps == 0);
    }
  }

  public AdaLora {
    AdapterKeys.require(firstRank >= 1, "init_r must be at least 1, found " + firstRank);
    AdapterKeys.require(
        Double.isFinite(alpha), "lora_alpha must be a finite number, found " + alpha);
    kept = Map.copyOf(kept);
    for (String module : new TreeSet<>(kept.keySet())) {
      AdapterKeys.require(
          left(kept, module).size() == firstRank,
          "rank_pattern '"
              + module
              + "' must have init_r, "
              + firstRank
              + ", entries, found "
              + left(kept, module).size());
    }
  }

  private static List<Boolean> left(Map<String, List<Boolean>> kept, String module) {
    return Objects.requireNonNull(kept.get(module), module);
  }

  @Override
  public String type() {
    return TYPE;
  }

  @Override
  public boolean takesTransposed() {
    return true;
  }

  /** The scale, which pruning leaves as it is. */
  @Override
  public double setting(LinearModule module) {
    return (alpha > 0 ? alpha : firstRank) / (firstRank + 1e-5);
  }

  /** As they are trained: all triplets. */
  @Override
  public List<ModuleTensor> tensors(LinearModule module) {
    return List.of(
        new ModuleTensor(
            A,
            Shape.of(firstRank, module.inputs()),
            false,
            random -> DEVIATION * random.nextGaussian()),
        new ModuleTensor(
            B,
            Shape.of(module.outputs(), firstRank),
            true,
            random -> DEVIATION * random.nextGaussian()),
        new ModuleTensor(E, Shape.of(firstRank, 1), false, ModuleTensor.constant(0)));
  }

  private int left(String module) {
    List<Boolean> pattern = kept.get(module);
    return pattern == null ? firstRank : (int) pattern.stream().filter(each -> each).count();
  }

  /** As the file has them: those that are left. */
  @Override
  public Map<String, Shape> tensors(ModelConfig model) {
    Map<String, Shape> found = new LinkedHashMap<>();
    for (LinearModule module : modules(model)) {
      int rank = left(module.name());
      found.put(module.name() + A, Shape.of(rank, module.inputs()));
      found.put(module.name() + B, Shape.of(module.outputs(), rank));
      found.put(module.name() + E, Shape.of(rank, 1));
    }
    return found;
  }

  /** Tensors with all triplets, zeros in the places of those that are gone. */
  public Map<String, TensorData> padded(ModelConfig model, Map<String, TensorData> tensors) {
    Map<String, TensorData> found = new LinkedHashMap<>(tensors);
    for (LinearModule module : modules(model)) {
      float[] e = floats(tensors, module.name() + E);
      int rank = e.length;
      float[] a = floats(tensors, module.name() + A);
      float[] b = floats(tensors, module.name() + B);
      found.put(
          module.name() + A,
          TensorData.of(Arrays.copyOf(a, firstRank * module.inputs()), firstRank, module.inputs()));
      float[] columns = new float[module.outputs() * firstRank];
      for (int row = 0; row < module.outputs(); row++) {
        System.arraycopy(b, row * rank, columns, row * firstRank, rank);
      }
      found.put(module.name() + B, TensorData.of(columns, module.outputs(), firstRank));
      found.put(module.name() + E, TensorData.of(Arrays.copyOf(e, firstRank), firstRank, 1));
    }
    return found;
  }

  /** What is left of an adapter with all triplets: those whose E is not 0, once any is. */
  public Map<String, List<Boolean>> left(ModelConfig model, Map<String, TensorData> tensors) {
    Map<String, List<Boolean>> found = new LinkedHashMap<>();
    boolean begun = false;
    for (LinearModule module : modules(model)) {
      List<Boolean> pattern = new ArrayList<>();
      for (float value : floats(tensors, module.name() + E)) {
        pattern.add(value != 0);
        begun |= value != 0;
      }
      found.put(module.name(), pattern);
    }
    return begun && found.values().stream().anyMatch(each -> each.contains(false))
        ? found
        : Map.of();
  }

  /** The same over so many steps. */
  public AdaLora scheduled(int totalSteps) {
    return new AdaLora(
        targets,
        firstRank,
        alpha,
        new Budget(
            budget.targetRank,
            budget.firstSteps,
            budget.lastSteps,
            budget.everySteps,
            budget.beta1,
            budget.beta2,
            budget.orthogonality,
            totalSteps),
        kept);
  }

  /** The same with these triplets. */
  public AdaLora keeping(Map<String, List<Boolean>> triplets) {
    return new AdaLora(targets, firstRank, alpha, budget, triplets);
  }

  /** Of tensors with all triplets, those that are left. */
  public Map<String, TensorData> pruned(ModelConfig model, Map<String, TensorData> tensors) {
    Map<String, TensorData> found = new LinkedHashMap<>(tensors);
    for (LinearModule module : modules(model)) {
      List<Boolean> pattern = kept.get(module.name());
      if (pattern == null) {
        continue;
      }
      int[] left =
          IntStream.range(0, firstRank).filter(i -> Boolean.TRUE.equals(pattern.get(i))).toArray();
      float[] a = floats(tensors, module.name() + A);
      float[] b = floats(tensors, module.name() + B);
      float[] e = floats(tensors, module.name() + E);
      float[] rows = new float[left.length * module.inputs()];
      float[] columns = new float[module.outputs() * left.length];
      float[] values = new float[left.length];
      for (int i = 0; i < left.length; i++) {
        System.arraycopy(a, left[i] * module.inputs(), rows, i * module.inputs(), module.inputs());
        values[i] = e[left[i]];
        for (int row = 0; row < module.outputs(); row++) {
          columns[row * left.length + i] = b[row * firstRank + left[i]];
        }
      }
      found.put(module.name() + A, TensorData.of(rows, left.length, module.inputs()));
      found.put(module.name() + B, TensorData.of(columns, module.outputs(), left.length));
      found.put(module.name() + E, TensorData.of(values, left.length, 1));
    }
    return found;
  }

  private static float[] floats(Map<String, TensorData> tensors, String name) {
    return Objects.requireNonNull(tensors.get(name), name).floats();
  }

  @Override
  public Map<String, WeightChange> changes(ModelConfig model, Map<String, TensorData> tensors) {
    return ModuleMethod.super.changes(model, padded(model, tensors));
  }

  @Override
  public Map<String, WeightChange> changes(
      LinearModule module, List<float[]> values, boolean bias) {
    float[] a = values.get(0).clone();
    for (int i = 0; i < a.length; i++) {
      a[i] *= values.get(2)[i / module.inputs()];
    }
    return Map.of(
        module.name() + ".weight",
        new LowRank(
            setting(module),
            module.inputs(),
            module.outputs(),
            module.transposed(),
            new LowRank.Factors(firstRank, a, values.get(1)),
            Optional.empty(),
            Optional.empty()));
  }

  /** Whatever is left of the triplets: those that are gone are zeros. */
  @Override
  public boolean isAs(PeftMethod other, ModelConfig model) {
    return other instanceof AdaLora that
        && firstRank == that.firstRank
        && modules(model).equals(that.modules(model))
        && modules(model).stream().allMatch(it -> setting(it) == that.setting(it));
  }

  @Override
  public String describe() {
    return "AdaLoRA from rank "
        + firstRank
        + " to "
        + budget.targetRank()
        + ", alpha "
        + alpha
        + " on "
        + targets.describe();
  }
}
