package dev.troupe.engine.generation;

import dev.troupe.models.checkpoint.ModelConfig;
import dev.troupe.models.decoder.ParameterLayout;
import dev.troupe.models.peft.AdaptedLinear;
import java.util.Collections;
import java.util.List;

/** Sizes of the matrices that a shadow packs. */
final class Matrices {
  private Matrices() {}

  /** Elements of all of them, the output matrix included. */
  static long elements(ModelConfig config) {
    long layer =
        AdaptedLinear.groups(config).stream().mapToLong(group -> elements(config, group)).sum();
    return layer * config.layers() + (long) config.vocabSize() * config.hiddenSize();
  }

  /** Elements of those that training changes. */
  static long touched(ParameterLayout layout) {
    ModelConfig config = layout.config();
    if (layout.isFull()) {
      return elements(config);
    }
    return AdaptedLinear.groups(config).stream()
            .filter(group -> !Collections.disjoint(layout.targets(), group))
            .mapToLong(group -> elements(config, group))
            .sum()
        * config.layers();
  }

  private static long elements(ModelConfig config, List<AdaptedLinear> group) {
    return group.stream()
        .mapToLong(linear -> (long) linear.outputs(config) * linear.inputs(config))
        .sum();
  }
}
