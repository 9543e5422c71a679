package dev.troupe.models.peft;

import dev.troupe.models.checkpoint.ModelConfig;
import dev.troupe.models.checkpoint.Slot;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Collectors;

/**
 * The norms of the model and nothing else (Zhao et al., arXiv:2312.11420), gains and what biases
 * they have: PEFT's {@code LN_TUNING}.
 *
 * @param targets which norms; those that it does not find are an error
 */
public record LnTuning(Modules targets) implements WholeMethod {
  static final String TYPE = "LN_TUNING";

  /** Every norm that a model has. */
  public static LnTuning all(ModelConfig model) {
    return new LnTuning(
        new Modules.Names(
            norms(model).stream().map(name -> name.substring(name.lastIndexOf(".") + 1)).toList()));
  }

  @Override
  public String type() {
    return TYPE;
  }

  @Override
  public Map<String, String> whole(ModelConfig model) {
    List<String> norms = norms(model);
    if (targets instanceof Modules.Names list) {
      for (String name : list.names()) {
        if (norms.stream().noneMatch(norm -> Modules.named(norm, name))) {
          throw new IllegalArgumentException(
              "no norm '" + name + "' in this " + model.architecture() + "; it has " + ends(norms));
        }
      }
    }
    Map<String, String> found = new LinkedHashMap<>();
    for (String tensor : model.tensors().keySet()) {
      String module = WholeWeights.module(tensor);
      if (norms.contains(module) && targets.contains(module)) {
        found.put(module + ".ln_tuning_layers" + tensor.substring(tensor.lastIndexOf('.')), tensor);
      }
    }
    if (found.isEmpty()) {
      throw new IllegalArgumentException(
          "target_modules finds no norm in this "
              + model.architecture()
              + "; it has "
              + ends(norms));
    }
    return found;
  }

  private static List<String> norms(ModelConfig model) {
    Map<String, Slot> slots = model.slots();
    return model.tensors().keySet().stream()
        .filter(name -> slots.get(name).isGain())
        .map(WholeWeights::module)
        .toList();
  }

  private static String ends(List<String> norms) {
    return norms.stream()
        .map(name -> name.substring(name.lastIndexOf('.') + 1))
        .distinct()
        .collect(Collectors.joining(", "));
  }

  @Override
  public String describe() {
    return "ln-tuning of " + targets.describe();
  }
}
