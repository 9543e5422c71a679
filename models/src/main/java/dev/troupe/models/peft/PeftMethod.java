package dev.troupe.models.peft;

import dev.troupe.models.checkpoint.ModelConfig;
import dev.troupe.models.checkpoint.Shape;
import dev.troupe.models.checkpoint.TensorData;
import java.util.List;
import java.util.Map;

/**
 * How an adapter changes a model: a method of PEFT's, or weights of the model trained as they are.
 * What it adds to, it names by the base's own names.
 */
public sealed interface PeftMethod permits LoraOptions, ModuleMethod, PromptMethod, WholeMethod {
  /** Its name in {@code peft_type}; of what PEFT has not, our own. */
  String type();

  /** The linear layers that have parameters of its own, in the order of the network. */
  List<LinearModule> modules(ModelConfig model);

  /**
   * Its tensors, but for those that are {@link #whole}, by PEFT's names without the prefix {@code
   * base_model.model.}.
   *
   * @throws IllegalArgumentException when a choice cannot be honoured on this model
   */
  Map<String, Shape> tensors(ModelConfig model);

  /**
   * The base's tensors that it brings whole: their names in the adapter, with those in the
   * checkpoint.
   *
   * @throws IllegalArgumentException when a choice cannot be honoured on this model
   */
  Map<String, String> whole(ModelConfig model);

  /**
   * What becomes of the base's other tensors, by their names in the checkpoint.
   *
   * @param tensors the adapter's
   */
  Map<String, WeightChange> changes(ModelConfig model, Map<String, TensorData> tensors);

  /** Whether both have the same parameters on a model, and they mean the same. */
  boolean isAs(PeftMethod other, ModelConfig model);

  /** A tensor's name in the file. */
  default String inFile(String tensor) {
    return "base_model.model." + tensor;
  }

  /** Whether it can be made a part of the base's weights. */
  default boolean merges() {
    return true;
  }

  /** For people. */
  String describe();
}
