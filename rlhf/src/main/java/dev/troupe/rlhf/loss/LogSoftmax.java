package dev.troupe.rlhf.loss;

/** Log-probabilities from logits. The engine has its own; this one is the reference for tests. */
public final class LogSoftmax {
  private LogSoftmax() {}

  /**
   * z_i − log Σ_j e^{z_j}, with the largest logit subtracted first.
   *
   * @param logits V numbers, at least one
   */
  public static double[] of(double[] logits) {
    if (logits.length == 0) {
      throw new IllegalArgumentException("logits are empty, a distribution needs at least one");
    }
    double max = Double.NEGATIVE_INFINITY;
    for (double logit : logits) {
      max = Math.max(max, logit);
    }
    double sum = 0;
    for (double logit : logits) {
      sum += Math.exp(logit - max);
    }
    double logSum = max + Math.log(sum);
    double[] logprobs = new double[logits.length];
    for (int i = 0; i < logits.length; i++) {
      logprobs[i] = logits[i] - logSum;
    }
    return logprobs;
  }

  /** −Σ p log p in nats; a probability of zero adds nothing. */
  public static double entropy(double[] logprobs) {
    double entropy = 0;
    for (double logprob : logprobs) {
      double probability = Math.exp(logprob);
      if (probability > 0) {
        entropy -= probability * logprob;
      }
    }
    return entropy;
  }
}
