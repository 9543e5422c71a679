package dev.troupe.models.peft;

import dev.troupe.models.checkpoint.ModelConfig;
import dev.troupe.models.checkpoint.Shape;
import dev.troupe.models.checkpoint.TensorData;
import java.util.List;
import java.util.Map;

/** A method that trains some of the model's own tensors as they are, and adds none. */
public sealed interface WholeMethod extends PeftMethod permits Bitfit, LnTuning, Partial {
  @Override
  default List<LinearModule> modules(ModelConfig model) {
    return List.of();
  }

  @Override
  default Map<String, Shape> tensors(ModelConfig model) {
    return Map.of();
  }

  @Override
  default Map<String, WeightChange> changes(ModelConfig model, Map<String, TensorData> tensors) {
    return Map.of();
  }

  @Override
  default boolean isAs(PeftMethod other, ModelConfig model) {
    return type().equals(other.type()) && whole(model).equals(other.whole(model));
  }
}
