package dev.troupe.engine;

import java.util.Random;
import java.util.function.ToDoubleFunction;

/**
 * Compares an analytic gradient with central differences.
 *
 * @param parameters the point
 * @param gradient what the engine says there
 * @param loss of any other point
 */
record GradientCheck(float[] parameters, float[] gradient, ToDoubleFunction<float[]> loss) {
  /**
   * The worst difference over {@code count} random coordinates among the larger gradients, as a
   * share of the largest gradient.
   */
  double worstRelativeError(int count, double step, Random random) {
    double largest = 0;
    for (float value : gradient) {
      largest = Math.max(largest, Math.abs(value));
    }
    double worst = 0;
    for (int i = 0; i < count; i++) {
      int at = random.nextInt(parameters.length);
      float[] point = parameters.clone();
      point[at] = (float) (parameters[at] + step);
      double up = loss.applyAsDouble(point);
      float upper = point[at];
      point[at] = (float) (parameters[at] - step);
      double down = loss.applyAsDouble(point);
      double difference = (up - down) / ((double) upper - point[at]);
      worst = Math.max(worst, Math.abs(difference - gradient[at]) / largest);
    }
    return worst;
  }
}
