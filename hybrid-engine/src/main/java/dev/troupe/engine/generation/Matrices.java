package dev.troupe.engine.generation;

import dev.troupe.models.checkpoint.ModelConfig;
import dev.troupe.models.checkpoint.Slot;
import dev.troupe.models.checkpoint.StoredWeight;
import dev.troupe.models.decoder.ParameterLayout;

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
    boolean head =
        config.weights().stream()
            .filter(weight -> weight.slot() == Slot.HEAD)
            .anyMatch(layout::changes);
    return config.weights().stream()
            .filter(Matrices::isPacked)
            .filter(layout::changes)
            .mapToLong(StoredWeight::elements)
            .sum()
        + (head ? (long) config.vocabSize() * config.hiddenSize() : 0);
  }

  private static boolean isPacked(StoredWeight weight) {
    return switch (weight.slot()) {
      case QKV, OUT, UP, DOWN -> true;
      default -> false;
    };
  }
}
