package dev.troupe.engine;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import dev.troupe.models.decoder.ParameterLayout;
import dev.troupe.models.decoder.Products;
import dev.troupe.models.torch.Handle;
import dev.troupe.models.torch.KernelModule;
import dev.troupe.models.torch.Lanes;
import dev.troupe.protocol.data.LearningRateSchedule;
import dev.troupe.protocol.data.OptimizerSettings;
import dev.troupe.protocol.data.StepResult;
import java.util.Optional;
import java.util.Random;
import org.junit.jupiter.api.Test;

/** The fused optimiser against AdamW written out in double precision. */
final class AdamStateTest {
  private static final int SIZE = TinyModel.CONFIG.hiddenSize();
  private static final double DECAY = 0.9;
  private static final OptimizerSettings SETTINGS =
      new OptimizerSettings(
          new LearningRateSchedule(LearningRateSchedule.Shape.LINEAR, 0.02, 3, 20),
          0.9,
          0.95,
          1e-8,
          0.1,
          3.0,
          0);

  /** Loshchilov and Hutter 2019, algorithm 2, with clipping by the global norm. */
  private static final class Reference {
    final double[] p;
    final double[] m = new double[SIZE];
    final double[] v = new double[SIZE];
    final double[] average;
    int count;

    Reference(float[] initial) {
      p = new double[SIZE];
      for (int i = 0; i < SIZE; i++) {
        p[i] = initial[i];
      }
      average = p.clone();
    }

    double step(float[] first, float[] second, double rate) {
      double[] g = new double[SIZE];
      double squares = 0;
      for (int i = 0; i < SIZE; i++) {
        g[i] = (double) first[i] + second[i];
        squares += g[i] * g[i];
      }
      double norm = Math.sqrt(squares);
      double scale = norm > SETTINGS.maxGradientNorm() ? SETTINGS.maxGradientNorm() / norm : 1;
      count++;
      for (int i = 0; i < SIZE; i++) {
        double gradient = g[i] * scale;
        p[i] -= rate * SETTINGS.weightDecay() * p[i];
        m[i] = SETTINGS.beta1() * m[i] + (1 - SETTINGS.beta1()) * gradient;
        v[i] = SETTINGS.beta2() * v[i] + (1 - SETTINGS.beta2()) * gradient * gradient;
        double mean = m[i] / (1 - Math.pow(SETTINGS.beta1(), count));
        double square = v[i] / (1 - Math.pow(SETTINGS.beta2(), count));
        p[i] -= rate * mean / (Math.sqrt(square) + SETTINGS.epsilon());
        average[i] = DECAY * average[i] + (1 - DECAY) * p[i];
      }
      return norm;
    }
  }

  @Test
  void step_twentyTimes_equalsAdamWInDoubles() {
    ParameterLayout layout = ParameterLayout.bare(TinyModel.CONFIG, true);
    Random random = new Random(1);
    float[] initial = normal(random, 1);
    try (Lanes lanes = new Lanes(1);
        KernelModule kernels = kernels(layout);
        Handle data = Handle.of(initial, SIZE);
        Handle parameters = lanes.run(() -> kernels.train("leaf", data));
        AdamState adam = new AdamState(kernels, lanes, parameters, SETTINGS, Optional.of(DECAY))) {
      Reference reference = new Reference(initial);
      for (int i = 0; i < 20; i++) {
        // Some norms are above the bound for clipping, some below.
        float[] first = normal(random, i % 2 == 0 ? 0.1 : 1);
        float[] second = normal(random, 0.1);
        double rate = SETTINGS.learningRate().at(i);
        double norm = reference.step(first, second, rate);
        StepResult result = step(adam, first, second, 0.5);
        assertThat(result.applied()).isTrue();
        assertThat(result.learningRate()).isEqualTo(rate);
        assertThat(result.gradientNorm()).isCloseTo(norm, within(1e-5));
        close(parameters.floats(), reference.p);
        close(adam.average().orElseThrow(), reference.average);
      }
    }
  }

  @Test
  void step_gradientOrLossNotFinite_changesNothingButTheSchedule() {
    ParameterLayout layout = ParameterLayout.bare(TinyModel.CONFIG, true);
    Random random = new Random(2);
    float[] initial = normal(random, 1);
    try (Lanes lanes = new Lanes(1);
        KernelModule kernels = kernels(layout);
        Handle data = Handle.of(initial, SIZE);
        Handle parameters = lanes.run(() -> kernels.train("leaf", data));
        AdamState adam = new AdamState(kernels, lanes, parameters, SETTINGS, Optional.of(DECAY))) {
      step(adam, normal(random, 1), normal(random, 1), 0.5);
      float[] before = parameters.floats();
      AdamState.Saved saved = adam.saved();
      for (float wrong :
          new float[] {Float.NaN, Float.POSITIVE_INFINITY, Float.NEGATIVE_INFINITY}) {
        float[] gradient = normal(random, 1);
        gradient[7] = wrong;
        assertThat(step(adam, gradient, normal(random, 1), 0.5).applied()).isFalse();
      }
      assertThat(step(adam, normal(random, 1), normal(random, 1), Double.NaN).applied()).isFalse();
      assertThat(parameters.floats()).containsExactly(before);
      AdamState.Saved after = adam.saved();
      assertThat(after.first()).containsExactly(saved.first());
      assertThat(after.second()).containsExactly(saved.second());
      assertThat(after.count()).isEqualTo(saved.count());
      assertThat(after.average().orElseThrow()).containsExactly(saved.average().orElseThrow());
      assertThat(after.steps()).isEqualTo(saved.steps() + 4);
    }
  }

  private static KernelModule kernels(ParameterLayout layout) {
    return Products.TORCH.kernels(layout);
  }

  private static StepResult step(AdamState adam, float[] first, float[] second, double loss) {
    float[] sum = new float[SIZE];
    for (int i = 0; i < SIZE; i++) {
      sum[i] = first[i] + second[i];
    }
    try (Handle gradient = Handle.of(sum, SIZE)) {
      return adam.step(gradient, loss, adam.settings().at(adam.steps()));
    }
  }

  private static float[] normal(Random random, double deviation) {
    float[] values = new float[SIZE];
    for (int i = 0; i < SIZE; i++) {
      values[i] = (float) (deviation * random.nextGaussian());
    }
    return values;
  }

  private static void close(float[] found, double[] expected) {
    assertThat(found).hasSize(expected.length);
    for (int i = 0; i < found.length; i++) {
      assertThat((double) found[i]).isCloseTo(expected[i], within(3e-6));
    }
  }
}
