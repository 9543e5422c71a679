package dev.troupe.rlhf.loss;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import dev.troupe.protocol.data.Floats;
import java.util.ArrayList;
import java.util.List;
import java.util.SplittableRandom;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.constraints.DoubleRange;
import net.jqwik.api.constraints.IntRange;

class RewardsAndAdvantagesPropertyTest {
  @Property(tries = 100)
  void gae_lambdaOne_isDiscountedReturnLessValue(
      @ForAll long seed,
      @ForAll @IntRange(min = 1, max = 40) int tokens,
      @ForAll @DoubleRange(max = 1) double gamma) {
    SplittableRandom random = new SplittableRandom(seed);
    Floats rewards = Samples.normal(random, tokens, 1);
    Floats values = Samples.normal(random, tokens, 1);
    Gae.Estimate estimate = Gae.estimate(rewards, values, gamma, 1);
    double discounted = 0;
    for (int t = tokens - 1; t >= 0; t--) {
      discounted = rewards.get(t) + gamma * discounted;
      assertThat((double) estimate.advantages().get(t))
          .isCloseTo(discounted - values.get(t), within(1e-5));
      assertThat((double) estimate.returns().get(t)).isCloseTo(discounted, within(1e-5));
    }
  }

  @Property(tries = 100)
  void whitening_centred_hasMeanZeroAndDeviationOne(
      @ForAll long seed, @ForAll @IntRange(min = 1, max = 20) int responses) {
    SplittableRandom random = new SplittableRandom(seed);
    List<Floats> batch = new ArrayList<>();
    for (int i = 0; i < responses; i++) {
      batch.add(Samples.normal(random, 2 + random.nextInt(10), 5));
    }
    Floats all = Samples.joined(Whitening.CENTRED.apply(batch, Masked.Variance.UNBIASED));
    boolean[] mask = Samples.allTrue(all.size());
    assertThat(Masked.mean(all, mask)).isCloseTo(0, within(1e-6));
    // Two numbers that happen to be close have a variance in which 1e-8 shows.
    double raw = Masked.variance(Samples.joined(batch), mask, Masked.Variance.UNBIASED);
    assertThat(Masked.variance(all, mask, Masked.Variance.UNBIASED))
        .isCloseTo(raw / (raw + 1e-8), within(1e-6));
    Floats biased = Samples.joined(Whitening.CENTRED.apply(batch, Masked.Variance.BIASED));
    assertThat(Masked.variance(biased, mask, Masked.Variance.BIASED))
        .isCloseTo(Math.min(1, raw * (all.size() - 1) / all.size() / 1e-8), within(1e-6));
  }

  @Property(tries = 100)
  void kl_k3_isNeverNegativeAndZeroForEqualModels(
      @ForAll @DoubleRange(min = -30, max = 0) double logprob,
      @ForAll @DoubleRange(min = -30, max = 0) double refLogprob) {
    assertThat(Kl.K3.estimate(logprob, refLogprob)).isGreaterThanOrEqualTo(0);
    for (Kl estimator : Kl.values()) {
      assertThat(estimator.estimate(logprob, logprob)).isZero();
    }
  }

  @Property(tries = 100)
  void tokenRewards_total_isScoreLessPenalty(
      @ForAll long seed,
      @ForAll @IntRange(min = 1, max = 40) int tokens,
      @ForAll @DoubleRange(max = 1) double klCoefficient) {
    SplittableRandom random = new SplittableRandom(seed);
    Floats logprobs = Samples.normal(random, tokens, 1);
    Floats reference = Samples.normal(random, tokens, 1);
    Floats rewards = TokenRewards.of(logprobs, reference, 3, klCoefficient);
    assertThat(Masked.sum(rewards, Samples.allTrue(tokens)))
        .isCloseTo(3 - klCoefficient * Kl.K1.sum(logprobs, reference), within(1e-4));
  }
}
