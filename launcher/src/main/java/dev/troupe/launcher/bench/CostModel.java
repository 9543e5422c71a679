package dev.troupe.launcher.bench;

import java.util.Arrays;
import java.util.stream.IntStream;

/**
 * Seconds that work takes, by the rates of docs/performance.md: a model of SmolLM-135M's shape on 2
 * cores, int8 rollouts. Each rollout worker is one such machine; whoever scores and trains is as
 * fast as {@code workers * learners} of them, so that an iteration of 16 prompts a worker takes as
 * long with any number of workers.
 *
 * @param speed by which everything is faster
 * @param learners machines that score and train, for each worker
 * @param parameters of the policy's adapter, which travel to the workers: rank 8 on each linear
 *     layer has 2,442,240
 */
public record CostModel(int workers, double speed, double learners, int parameters) {
  /** As many machines score and train as sample. */
  public CostModel(int workers, double speed, int parameters) {
    this(workers, speed, 1, parameters);
  }

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
    int[] lengths = new int[prompts];
    Arrays.fill(lengths, newTokens);
    return generate(lengths);
  }

  /** The same of answers of different lengths: one that has ended is no row any more. */
  public double generate(int[] lengths) {
    double perRow = (16 / TOKENS_OF_16 - 1 / TOKENS_OF_1) / 15;
    int steps = IntStream.of(lengths).max().orElse(0);
    long rows = IntStream.of(lengths).asLongStream().sum();
    return (steps * (1 / TOKENS_OF_1 - perRow) + rows * perRow) / speed;
  }

  /** Seconds of reading so many tokens without a gradient. */
  public double score(long tokens) {
    return tokens / (SCORED * workers * learners * speed);
  }

  /** Seconds of learning from so many tokens. */
  public double train(long tokens) {
    return tokens / (TRAINED * workers * learners * speed);
  }
}
