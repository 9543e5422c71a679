package dev.troupe.launcher.bench;

/**
 * Seconds that work takes, by the rates of docs/performance.md: a model of SmolLM-135M's shape on 2
 * cores, int8 rollouts. Each rollout worker is one such machine; whoever scores and trains is as
 * fast as {@code workers} of them, so that an iteration of 16 prompts a worker takes as long with
 * any number.
 *
 * @param speed by which everything is faster
 * @param parameters of the policy's adapter, which travel to the workers: rank 8 on each linear
 *     layer has 2,442,240
 */
public record CostModel(int workers, double speed, int parameters) {
  /** Generated tokens per second of a batch of 16, prefill included, and of a batch of 1. */
  private static final double TOKENS_OF_16 = 316;

  private static final double TOKENS_OF_1 = 42;

  /** Tokens per second. */
  private static final double SCORED = 385;

  private static final double TRAINED = 336;

  private static final double FLIP_SECONDS = 0.15;

  /** Seconds of the flip to new weights. */
  public double flip() {
    return FLIP_SECONDS / speed;
  }

  /** Seconds of answering so many prompts at once; a step's time grows with its rows. */
  public double generate(int prompts, int newTokens) {
    double perRow = (16 / TOKENS_OF_16 - 1 / TOKENS_OF_1) / 15;
    double step = 1 / TOKENS_OF_1 + perRow * (prompts - 1);
    return newTokens * step / speed;
  }

  /** Seconds of reading so many tokens without a gradient. */
  public double score(long tokens) {
    return tokens / (SCORED * workers * speed);
  }

  /** Seconds of learning from so many tokens. */
  public double train(long tokens) {
    return tokens / (TRAINED * workers * speed);
  }
}
