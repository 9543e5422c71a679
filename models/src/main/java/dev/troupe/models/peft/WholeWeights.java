package dev.troupe.models.peft;

import dev.troupe.models.checkpoint.ModelConfig;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.function.Predicate;

/** A model's tensors, chosen by their names. */
final class WholeWeights {
  private WholeWeights() {}

  /** Those that a condition holds of, each under its own name. */
  static Map<String, String> named(ModelConfig model, Predicate<String> condition) {
    Map<String, String> found = new LinkedHashMap<>();
    model.tensors().keySet().stream().filter(condition).forEach(name -> found.put(name, name));
    return found;
  }

  /** A tensor's module: its name without its last part. */
  static String module(String tensor) {
    return tensor.substring(0, tensor.lastIndexOf('.'));
  }
}
