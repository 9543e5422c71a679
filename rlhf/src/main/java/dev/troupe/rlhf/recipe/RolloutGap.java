package dev.troupe.rlhf.recipe;

import java.util.List;
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
  /** Empty when there is no token. */
  static Optional<RolloutGap> of(List<Scored> scored, Optional<Double> cap) {
    double limit = Math.log(cap.orElse(Double.POSITIVE_INFINITY));
    double sum = 0;
    double max = 0;
    long capped = 0;
    long tokens = 0;
    for (Scored one : scored) {
      for (int t = 0; t < one.logprobs().size(); t++) {
        double gap = (double) one.logprobs().get(t) - one.rollout().logprobs().get(t);
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

  Map<String, Double> metrics() {
    return Map.of("logprobGapMean", mean, "logprobGapMax", max, "importanceCappedFraction", capped);
  }
}
