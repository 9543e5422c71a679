package dev.troupe.models.checkpoint;

import java.util.Arrays;

/**
 * The kernels' list of weights: those of the whole network, then {@link #PER_LAYER} of each layer.
 * A family that lacks one has an empty tensor in its place. The kernels count the same places.
 */
public enum Slot {
  EMBED,
  NORM,
  HEAD,
  ROPE,
  LOCAL_ROPE,
  POSITIONS,
  EMBED_NORM,
  EMBED_NORM_BIAS,
  NORM_BIAS,

  ATTENTION_NORM,
  QKV,
  OUT,
  MLP_NORM,
  UP,
  DOWN,
  ATTENTION_NORM_BIAS,
  QKV_BIAS,
  Q_NORM,
  K_NORM,
  OUT_BIAS,
  POST_ATTENTION_NORM,
  MLP_NORM_BIAS,
  UP_BIAS,
  DOWN_BIAS,
  POST_MLP_NORM;

  /** Weights before the layers. */
  public static final int GLOBALS = count(false);

  /** Weights of each layer. */
  public static final int PER_LAYER = count(true);

  private static int count(boolean ofLayer) {
    return (int) Arrays.stream(values()).filter(slot -> slot.isOfLayer() == ofLayer).count();
  }

  /** Whether each layer has one. */
  public boolean isOfLayer() {
    return compareTo(ATTENTION_NORM) >= 0;
  }

  /** Whether it is made of the configuration, not stored. */
  public boolean isComputed() {
    return this == ROPE || this == LOCAL_ROPE;
  }

  /** Whether it is the gain of a norm. */
  public boolean isGain() {
    return name().endsWith("NORM");
  }

  public boolean isBias() {
    return name().endsWith("BIAS");
  }

  /** Whether it writes into the residual stream. */
  public boolean isResidual() {
    return this == OUT || this == DOWN;
  }
}
