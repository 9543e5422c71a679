package dev.troupe.models.decoder;

import dev.troupe.models.peft.AdaLora;
import dev.troupe.models.peft.Boft;
import dev.troupe.models.peft.Ia3;
import dev.troupe.models.peft.Loha;
import dev.troupe.models.peft.Lokr;
import dev.troupe.models.peft.ModuleMethod;
import dev.troupe.models.peft.Oft;
import dev.troupe.models.peft.Vera;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;

/**
 * A method's kernels: texts behind those of training and of generation, whose functions take the
 * places of theirs.
 *
 * @param merging texts in both: what the method makes of a weight
 * @param training texts of training alone: how it multiplies with one
 * @param attributes what they need to know beside the layout
 */
record MethodKernels(List<String> merging, List<String> training, Map<String, Object> attributes) {
  private static final String MODULES = "modules";
  private static final String BY_WEIGHT = "by_weight";

  static MethodKernels of(ModuleMethod method) {
    if (method instanceof Loha) {
      return new MethodKernels(List.of(MODULES, "loha"), List.of(BY_WEIGHT), Map.of());
    } else if (method instanceof Lokr) {
      return new MethodKernels(List.of(MODULES, "lokr"), List.of(BY_WEIGHT), Map.of());
    } else if (method instanceof Oft oft) {
      return new MethodKernels(
          List.of(MODULES, "oft"), List.of("oft_project"), Map.of("terms", (long) oft.terms()));
    } else if (method instanceof Ia3) {
      return new MethodKernels(
          List.of(MODULES, "ia3"), List.of(BY_WEIGHT, "ia3_project"), Map.of());
    } else if (method instanceof Boft) {
      return new MethodKernels(List.of(MODULES, "boft"), List.of("boft_project"), Map.of());
    } else if (method instanceof AdaLora) {
      return new MethodKernels(List.of(MODULES, "adalora"), List.of("adalora_project"), Map.of());
    } else if (method instanceof Vera) {
      return new MethodKernels(List.of(MODULES, "vera"), List.of("vera_project"), Map.of());
    }
    throw new IllegalArgumentException("no kernels of " + method.type());
  }

  /** Whether training multiplies with weights as they are, and makes none anew. */
  boolean multiplies() {
    return !training.equals(List.of(BY_WEIGHT));
  }

  /** Class path names. */
  List<String> texts(boolean ofTraining) {
    return Stream.concat(merging.stream(), ofTraining ? training.stream() : Stream.of())
        .map(name -> "/kernels/methods/" + name + ".py")
        .toList();
  }
}
