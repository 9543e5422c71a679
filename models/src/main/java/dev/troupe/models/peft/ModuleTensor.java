package dev.troupe.models.peft;

import dev.troupe.models.checkpoint.Shape;
import java.util.Random;
import java.util.function.ToDoubleFunction;

/**
 * A trained tensor of one linear layer.
 *
 * @param suffix behind the layer's name
 * @param shape as PEFT stores it; without numbers where the layer has none in this place
 * @param byOutput whether its rows are those of the layer's outputs
 * @param start of each number
 */
public record ModuleTensor(
    String suffix, Shape shape, boolean byOutput, ToDoubleFunction<Random> start) {
  /** One that a layer does not have. */
  static ModuleTensor none() {
    return new ModuleTensor("", Shape.of(0), false, random -> 0);
  }

  /** Every number the same. */
  static ToDoubleFunction<Random> constant(double value) {
    return random -> value;
  }

  /** PEFT's kaiming_uniform with a = sqrt 5: in ±1/sqrt(columns). */
  static ToDoubleFunction<Random> kaiming(int columns) {
    double bound = 1 / Math.sqrt(columns);
    return random -> bound * (2 * random.nextDouble() - 1);
  }

  public boolean isThere() {
    return shape.elements() > 0;
  }
}
