package dev.troupe.protocol.data;

import java.util.Optional;
import java.util.Set;

/**
 * In what numbers a role computes. Sums, norms, the softmax over the vocabulary, losses, adapters
 * and the optimiser's state are float32 in all of them.
 *
 * @param precision of products with matrices while training and scoring, and of what is not held in
 *     blocks
 * @param rollouts of the merged weights that sample; or NF4 or FP4, as the base is then held, what
 *     is trained beside it
 * @param kernels whose operators sample, and train and score where the library has any for that
 * @param cache of keys and values while sampling
 * @param strict when log-probabilities of sampled answers are computed again as training does, so
 *     that they do not depend on how many rows were sampled at once
 * @param exact whether a policy is scored by the operators that sample, so that the same weights
 *     give the same log-probabilities bit for bit
 * @param quantisation how the linear layers of a frozen base are held, where it is in blocks
 */
public record Numerics(
    Storage precision,
    Storage rollouts,
    Kernels kernels,
    Cache cache,
    Strict strict,
    boolean exact,
    Optional<Quantisation> quantisation) {
  public Numerics {
    requireOneOf("the precision of products", precision, Storage.ofProducts());
    if (!rollouts.isOfBaseAlone()) {
      requireOneOf("rollout weights", rollouts, Storage.ofRollouts());
    } else if (!quantisation.map(Quantisation::storage).equals(Optional.of(rollouts))) {
      throw new IllegalArgumentException(
          "rollout weights in "
              + rollouts
              + " are the frozen base as it is held, which is in "
              + quantisation.map(Quantisation::describe).orElse("the numbers of products"));
    }
  }

  /** With the base in the numbers of products. */
  public Numerics(
      Storage precision,
      Storage rollouts,
      Kernels kernels,
      Cache cache,
      Strict strict,
      boolean exact) {
    this(precision, rollouts, kernels, cache, strict, exact, Optional.empty());
  }

  private static void requireOneOf(String what, Storage found, Set<Storage> expected) {
    if (!expected.contains(found)) {
      throw new IllegalArgumentException(
          what + " cannot be " + found + "; expected one of " + expected);
    }
  }

  /** Log-probabilities as they were sampled. */
  public Numerics(Storage precision, Storage rollouts, Kernels kernels) {
    this(precision, rollouts, kernels, Cache.AUTO, Strict.NEVER, false);
  }

  /** By the operators that the engine chooses. */
  public Numerics(Storage precision, Storage rollouts) {
    this(precision, rollouts, Kernels.AUTO);
  }

  /** Whose operators a decoding step is made of, and training and scoring. */
  public enum Kernels {
    /** The library of Troupe's own where it is there and fits, else torch's. */
    AUTO,
    NATIVE,
    TORCH
  }

  /** In what keys and values are held while sampling. */
  public enum Cache {
    /** bfloat16 where the weights have no more digits and the operators can, else float32. */
    AUTO,
    FP32,
    BF16
  }

  /** When log-probabilities of sampled answers are computed again. */
  public enum Strict {
    /** Where they depend on what was sampled beside them, and are those of training otherwise. */
    AUTO,
    ALWAYS,
    NEVER
  }

  /** The same, computing again at other times. */
  public Numerics strict(Strict when) {
    return new Numerics(precision, rollouts, kernels, cache, when, exact, quantisation);
  }

  /**
   * Whether log-probabilities of what was sampled are to be computed again.
   *
   * @param byRow whether they are the same to the bit whatever was sampled beside them
   */
  public boolean scoresAgain(boolean byRow) {
    return switch (strict) {
      case ALWAYS -> true;
      case NEVER -> false;
      case AUTO -> !byRow && samplesAsItTrains();
    };
  }

  /** The same, with keys and values in other numbers. */
  public Numerics with(Cache other) {
    return new Numerics(precision, rollouts, kernels, other, strict, exact, quantisation);
  }

  /** The same, with or without scoring by the operators that sample. */
  public Numerics exact(boolean whether) {
    return new Numerics(precision, rollouts, kernels, cache, strict, whether, quantisation);
  }

  /** The same on a base that is held in blocks. */
  public Numerics on(Quantisation base) {
    return new Numerics(precision, rollouts, kernels, cache, strict, exact, Optional.of(base));
  }

  /** float32 throughout. */
  public static final Numerics EXACT = new Numerics(Storage.FP32, Storage.FP32);

  /**
   * Whether a sampled token's log-probability is the one that training computes, but for the order
   * of additions.
   */
  public boolean samplesAsItTrains() {
    return precision == Storage.FP32 && rollouts == Storage.FP32;
  }

  /**
   * Whether a policy's own log-probabilities of what it sampled are asked of it again: because
   * training has others, or to show that it has the same.
   */
  public boolean scoresSamples() {
    return exact || !samplesAsItTrains();
  }
}
