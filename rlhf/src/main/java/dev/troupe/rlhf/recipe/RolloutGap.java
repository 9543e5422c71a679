package dev.troupe.rlhf.recipe;

import dev.troupe.protocol.data.Floats;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;

/**
 * How far the numbers that sampled a round are from those that train on it.
 *
 * @param mean of |log π − log μ| over the response tokens, in nats
 * @param max of the same
 * @param capped share of tokens whose importance weight is cut at the cap
 */
record RolloutGap(double mean, double max, double capped) {
  /** One answer's log-probabilities, as training computes them and as they were sampled. */
  private record Logprobs(Floats trained, Floats sampled) {}

  /** Empty when there is no token. */
  static Optional<RolloutGap> of(List<Scored> scored, Optional<Double> cap) {
    return between(
        scored.stream().map(one -> new Logprobs(one.logprobs(), one.rollout().logprobs())).toList(),
        cap);
  }

  /** Empty when there is no token. */
  static Optional<RolloutGap> ofAnswers(List<GroupAnswer> answers, Optional<Double> cap) {
    return between(
        answers.stream()
            .map(one -> new Logprobs(one.logprobs(), one.rollout().logprobs()))
            .toList(),
        cap);
  }

  private static Optional<RolloutGap> between(List<Logprobs> answers, Optional<Double> cap) {
    double limit = Math.log(cap.orElse(Double.POSITIVE_INFINITY));
    double sum = 0;
    double max = 0;
    long capped = 0;
    long tokens = 0;
    for (Logprobs one : answers) {
      for (int t = 0; t < one.trained().size(); t++) {
        double gap = (double) one.trained().get(t) - one.sampled().get(t);
        sum += Math.abs(gap);
        max = Math.max(max, Math.abs(gap));
        capped += gap > limit ? 1 : 0;
        tokens++;
      }
    }
    return tokens == 0
        ? Optional.empty()
        : Optional.of(new RolloutGap(sum / tokens, max, capped / (double) tokens));
  }

  /**
   * Where the policy is scored by the operators that sample.
   *
   * @throws IllegalStateException when there is a gap nevertheless
   */
  void requireNone() {
    if (max != 0) {
      throw new IllegalStateException(
          String.format(
              Locale.ROOT,
              "engine.on-policy is exact, and the log-probabilities of a round's answers, computed"
                  + " again by the weights that sampled them, differ by up to %.3g nats. Nodes whose"
                  + " processors differ do (a node's log says whose kernels it uses): give the policy"
                  + " and its rollout nodes the same, or let engine.on-policy be usual.",
              max));
    }
  }

  Map<String, Double> metrics() {
    return Map.of("logprobGapMean", mean, "logprobGapMax", max, "importanceCappedFraction", capped);
  }
}
