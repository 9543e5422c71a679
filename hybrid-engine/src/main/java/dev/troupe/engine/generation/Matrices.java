package dev.troupe.engine.generation;

import dev.troupe.models.checkpoint.ModelConfig;
import dev.troupe.models.decoder.ParameterLayout;
import dev.troupe.models.peft.AdaptedLinear;
import java.util.Collections;
import java.util.Set;

/** Sizes of the matrices that a shadow packs. */
final class Matrices {
  private Matrices() {}

  /** Elements of all of them, the output matrix included. */
  static long elements(ModelConfig config) {
    return (qkv(config) + o(config) + gateUp(config) + down(config)) * config.layers()
        + (long) config.vocabSize() * config.hiddenSize();
  }

  /** Elements of those that training changes. */
  static long touched(ParameterLayout layout) {
    ModelConfig config = layout.config();
    if (layout.isFull()) {
      return elements(config);
    }
    Set<AdaptedLinear> targets = layout.targets();
    long sum = 0;
    if (!Collections.disjoint(
        targets, Set.of(AdaptedLinear.Q_PROJ, AdaptedLinear.K_PROJ, AdaptedLinear.V_PROJ))) {
      sum += qkv(config);
    }
    if (targets.contains(AdaptedLinear.O_PROJ)) {
      sum += o(config);
    }
    if (targets.contains(AdaptedLinear.GATE_PROJ) || targets.contains(AdaptedLinear.UP_PROJ)) {
      sum += gateUp(config);
    }
    if (targets.contains(AdaptedLinear.DOWN_PROJ)) {
      sum += down(config);
    }
    return sum * config.layers();
  }

  private static long qkv(ModelConfig config) {
    return (config.heads() + 2L * config.kvHeads()) * config.headDim() * config.hiddenSize();
  }

  private static long o(ModelConfig config) {
    return (long) config.heads() * config.headDim() * config.hiddenSize();
  }

  private static long gateUp(ModelConfig config) {
    return 2L * config.intermediateSize() * config.hiddenSize();
  }

  private static long down(ModelConfig config) {
    return (long) config.intermediateSize() * config.hiddenSize();
  }
}
