package dev.troupe.engine.generation;

import dev.troupe.models.checkpoint.ModelConfig;
import dev.troupe.models.checkpoint.StoredWeight;
import dev.troupe.models.decoder.ParameterLayout;
import java.util.Set;
import java.util.stream.Collectors;

/** Sizes of the matrices that a shadow packs. */
final class Matrices {
  private Matrices() {}

  /** Elements of all of them, the output matrix included. */
  static long elements(ModelConfig config) {
    return config.weights().stream()
            .filter(Matrices::isPacked)
            .mapToLong(StoredWeight::elements)
            .sum()
        + (long) config.vocabSize() * config.hiddenSize();
  }

  /** Elements of those that training changes. */
  static long touched(ParameterLayout layout) {
    ModelConfig config = layout.config();
    if (layout.isFull()) {
      return elements(config);
    }
    Set<String> adapted =
        layout.pairs().stream()
            .map(pair -> pair.module().name() + ".weight")
            .collect(Collectors.toSet());
    return config.weights().stream()
        .filter(Matrices::isPacked)
        .filter(weight -> weight.parts().stream().anyMatch(part -> adapted.contains(part.name())))
        .mapToLong(StoredWeight::elements)
        .sum();
  }

  private static boolean isPacked(StoredWeight weight) {
    return switch (weight.slot()) {
      case QKV, OUT, UP, DOWN -> true;
      default -> false;
    };
  }
}
