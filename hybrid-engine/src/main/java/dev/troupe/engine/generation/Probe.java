package dev.troupe.engine.generation;

import dev.troupe.models.decoder.BaseModel;
import dev.troupe.models.torch.Handle;
import dev.troupe.models.torch.KernelModule;
import dev.troupe.protocol.data.Storage;
import java.util.List;
import java.util.Locale;
import java.util.SplittableRandom;

/**
 * Compares the two paths on a few fixed tokens: the log-probabilities of the second half of each
 * row, which generation computes by prefill and then token by token. When they differ by too much,
 * the residual streams of both are compared layer by layer to name the first layer that is wrong.
 */
final class Probe {
  private static final int ROWS = 2;
  private static final int TOKENS = 12;
  private static final long SEED = 20;

  /** A log-probability from which on the tolerance grows with it, in nats. */
  private static final double LARGE = 4;

  /**
   * A tolerance above this is for numbers of few digits, some of which are always far off on tokens
   * drawn at random: their mean is judged, not each.
   */
  private static final double ROUNDING = 0.01;

  /**
   * How far weights of eight bits and fewer may drift while training goes on, in tolerances: a run
   * begins where they suit the model, and is not ended by what is reported as its mismatch.
   */
  private static final double DRIFT = 2;

  /** What bfloat16 on the training path may change in a log-probability, in nats. */
  private static final double ROUNDED = 0.2;

  /** The same of keys and values in bfloat16. */
  private static final double ROUNDED_CACHE = 0.05;

  private final KernelModule generation;
  private final KernelModule training;
  private final BaseModel base;
  private final Storage format;
  private final boolean halfCache;
  private final double tolerance;
  private final int length;
  private final int split;
  private final long[] ids;

  /** Of a row of ids, those of virtual tokens included. */
  private final int width;

  private final int before;

  /** Whether the model was once within the tolerance itself. */
  private boolean begun;

  /**
   * @param virtual ids of tokens that stand before every text
   * @param halfCache whether keys and values are in bfloat16
   */
  Probe(
      KernelModule generation,
      KernelModule training,
      BaseModel base,
      int[] virtual,
      Generator.Options options,
      boolean halfCache) {
    format = options.format();
    this.halfCache = halfCache;
    double ofTraining = options.training() == Storage.BF16 ? ROUNDED : 0;
    double ofCache = halfCache ? ROUNDED_CACHE : 0;
    tolerance = Math.max(Packing.of(format).tolerance(), Math.max(ofTraining, ofCache));
    this.generation = generation;
    this.training = training;
    this.base = base;
    before = virtual.length;
    length = Math.max(2, Math.min(TOKENS, base.config().steadyContext() - before));
    split = Math.max(1, length / 2);
    SplittableRandom random = new SplittableRandom(SEED);
    width = before + length;
    ids = new long[ROWS * width];
    for (int row = 0; row < ROWS; row++) {
      for (int i = 0; i < width; i++) {
        ids[row * width + i] = i < before ? virtual[i] : random.nextLong(base.config().vocabSize());
      }
    }
  }

  /**
   * Runs on a lane.
   *
   * @return the largest difference of a log-probability, in nats
   * @throws GenerationException when the differences are more than the numbers on both sides allow
   */
  double check(Handle parameters, Shadow shadow, EngineMode.Generating mode) {
    float[] expected = trainingLogprobs(parameters);
    float[] found;
    try (Handle tokens = Handle.of(ids, ROWS, width);
        Handle from = Handle.of((long) before + split);
        Handle scores = generation.infer("score", tokens, from, shadow.frame(), shadow.packed())) {
      found = scores.floats();
    }
    double worst = 0;
    double worstShare = 0;
    double shares = 0;
    for (int i = 0; i < expected.length; i++) {
      double difference = Math.abs(expected[i] - (double) found[i]);
      double share = difference / allowed(expected[i], tolerance);
      // NaN is not within any tolerance, and stays.
      worst = difference <= worst ? worst : difference;
      worstShare = share <= worstShare ? worstShare : share;
      shares += share;
    }
    double share = tolerance > ROUNDING ? shares / expected.length : worstShare;
    double limit = limit(begun, format);
    if (!(share <= limit)) {
      throw new GenerationException(
          String.format(
              Locale.ROOT,
              "The flip to adapter version %d failed its probe: log-probabilities on the generation"
                  + " path differ by up to %.3g nats from the training path's, %.3g times what"
                  + " %s weights allow. First wrong: %s. %s",
              mode.version(),
              worst,
              share / limit,
              mode.format(),
              firstWrong(parameters, shadow),
              advice(tolerance, halfCache)));
    }
    begun = true;
    return worst;
  }

  /** Takes it that the model was within the tolerance, as another probe has found. */
  void goesOn() {
    begun = true;
  }

  /**
   * How many tolerances the differences may come to.
   *
   * @param begun whether the model was once within one
   */
  static double limit(boolean begun, Storage format) {
    return begun && format.bits() <= Byte.SIZE ? DRIFT : 1;
  }

  /** What the reader may do. */
  static String advice(double tolerance, boolean halfCache) {
    return "If every number is NaN, the trained parameters are; otherwise "
        + (tolerance > ROUNDING
            ? "this model wants finer numbers: let engine.rollout-weights (--weights) be bf16, fp16"
                + " or fp32."
                + (halfCache ? " Or let engine.cache be fp32." : "")
            : "this is a defect of the generation weights.");
  }

  /**
   * The tokens are drawn at random, so that a large vocabulary gives them log-probabilities of -20
   * to -40: a difference of logits of that size, which float32 rounds in proportion.
   */
  static double allowed(double logprob, double tolerance) {
    return tolerance * Math.max(1, Math.abs(logprob) / LARGE);
  }

  private float[] trainingLogprobs(Handle parameters) {
    int count = length - split;
    long[] reads = new long[ROWS * count];
    long[] targets = new long[ROWS * count];
    for (int row = 0; row < ROWS; row++) {
      for (int i = 0; i < count; i++) {
        int at = row * width + before + split - 1 + i;
        reads[row * count + i] = at;
        targets[row * count + i] = ids[at + 1];
      }
    }
    try (Handle tokens = Handle.of(ids, ROWS, width);
        Handle positions = Handle.of(reads, reads.length);
        Handle wanted = Handle.of(targets, targets.length);
        Handle temperature = Handle.of(1.0);
        Handle yes = Handle.of(true);
        Handle no = Handle.of(false);
        Handle sections = Handle.ofTensors(List.of(tokens));
        Handle outputs =
            training.infer(
                "evaluate",
                sections,
                positions,
                wanted,
                base.weights(),
                parameters,
                temperature,
                yes,
                no,
                no)) {
      Handle[] parts = outputs.parts();
      try {
        return parts[0].floats();
      } finally {
        for (Handle part : parts) {
          part.close();
        }
      }
    }
  }

  private String firstWrong(Handle parameters, Shadow shadow) {
    float[] differences;
    try (Handle tokens = Handle.of(ids, ROWS, width);
        Handle expected = training.infer("states", tokens, base.weights(), parameters);
        Handle found = generation.infer("states", tokens, shadow.frame(), shadow.packed());
        Handle worst = generation.infer("worst", expected, found)) {
      differences = worst.floats();
    }
    for (int layer = 0; layer < differences.length; layer++) {
      if (!(differences[layer] <= tolerance)) {
        return "model.layers."
            + layer
            + ", whose output is off by "
            + differences[layer]
            + " of its largest number";
      }
    }
    return "lm_head or model.norm, as the output of every layer is right";
  }
}
