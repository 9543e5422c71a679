package dev.troupe.models.peft;

import dev.troupe.models.checkpoint.ModelConfig;
import dev.troupe.models.checkpoint.Shape;
import dev.troupe.models.checkpoint.TensorData;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;

/** A method whose trained tensors each belong to one linear layer. */
public sealed interface ModuleMethod extends PeftMethod
    permits AdaLora, Boft, Ia3, Loha, Lokr, Oft, Vera {
  /** Which layers. */
  Targets targets();

  /** The tensors of a layer, as many for each; {@link ModuleTensor#none} where one lacks it. */
  List<ModuleTensor> tensors(LinearModule module);

  /** What all layers have in common, as it is in the adapter. */
  default List<SharedTensor> shared(ModelConfig model) {
    return List.of();
  }

  /** What else says how a layer is changed, for the kernels: one number, such as a scale. */
  double setting(LinearModule module);

  /**
   * What becomes of a layer's weight, and of its bias by {@code bias}.
   *
   * @param values of {@link #tensors(LinearModule)}, as the adapter has them
   */
  Map<String, WeightChange> changes(LinearModule module, List<float[]> values, boolean bias);

  /** Whether PEFT has it for layers that are stored (inputs, outputs). */
  default boolean takesTransposed() {
    return false;
  }

  @Override
  default List<LinearModule> modules(ModelConfig model) {
    List<LinearModule> found = targets().of(model);
    for (LinearModule module : found) {
      if (module.transposed() && !takesTransposed()) {
        throw new IllegalArgumentException(
            "PEFT has no "
                + type()
                + " for layers that are stored transposed (Conv1D), such as '"
                + module.name()
                + "' of this "
                + model.architecture()
                + "; use lora, vera or ia3");
      }
    }
    return found;
  }

  @Override
  default Map<String, Shape> tensors(ModelConfig model) {
    Map<String, Shape> found = new LinkedHashMap<>();
    for (LinearModule module : modules(model)) {
      for (ModuleTensor tensor : tensors(module)) {
        if (tensor.isThere()) {
          found.put(module.name() + tensor.suffix(), tensor.shape());
        }
      }
    }
    return found;
  }

  @Override
  default Map<String, String> whole(ModelConfig model) {
    return Map.of();
  }

  @Override
  default Map<String, WeightChange> changes(ModelConfig model, Map<String, TensorData> tensors) {
    Map<String, WeightChange> found = new LinkedHashMap<>();
    for (LinearModule module : modules(model)) {
      List<float[]> values =
          tensors(module).stream()
              .map(
                  tensor ->
                      tensor.isThere()
                          ? values(tensors, module.name() + tensor.suffix())
                          : new float[0])
              .toList();
      found.putAll(changes(module, values, model.tensors().containsKey(module.nameOfBias())));
    }
    return found;
  }

  private static float[] values(Map<String, TensorData> tensors, String name) {
    return Objects.requireNonNull(tensors.get(name), name).floats();
  }

  @Override
  default boolean isAs(PeftMethod other, ModelConfig model) {
    return other instanceof ModuleMethod that
        && type().equals(that.type())
        && tensors(model).equals(that.tensors(model))
        && modules(model).stream().allMatch(it -> setting(it) == that.setting(it));
  }
}
