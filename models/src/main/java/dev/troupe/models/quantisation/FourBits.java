package dev.troupe.models.quantisation;

import dev.troupe.protocol.data.Storage;

/** The sixteen numbers that a code of four bits may stand for. */
public final class FourBits {
  /** Quantiles of a normal distribution (Dettmers et al., arXiv:2305.14314, appendix E). */
  private static final float[] NF4 = {
    -1.0f,
    -0.6961928f,
    -0.52507305f,
    -0.3949175f,
    -0.28444138f,
    -0.18477343f,
    -0.091050036f,
    0.0f,
    0.0795803f,
    0.1609302f,
    0.2461123f,
    0.33791524f,
    0.44070983f,
    0.562617f,
    0.72295684f,
    1.0f
  };

  /** Of a sign, two bits of exponent and one of mantissa, as bitsandbytes has them: 0 twice. */
  private static final float[] FP4 = {
    0.0f,
    0.0052083335f,
    0.6666667f,
    1.0f,
    0.33333334f,
    0.5f,
    0.16666667f,
    0.25f,
    0.0f,
    -0.0052083335f,
    -0.6666667f,
    -1.0f,
    -0.33333334f,
    -0.5f,
    -0.16666667f,
    -0.25f
  };

  private static final Codebook OF_NF4 = new Codebook(NF4);
  private static final Codebook OF_FP4 = new Codebook(FP4);

  private FourBits() {}

  /** The numbers by code. */
  public static float[] numbers(Storage storage) {
    return table(storage).clone();
  }

  static float[] table(Storage storage) {
    return switch (storage) {
      case NF4 -> NF4;
      case FP4 -> FP4;
      default -> throw new IllegalArgumentException(storage + " has no codes of four bits");
    };
  }

  static Codebook codes(Storage storage) {
    return storage == Storage.NF4 ? OF_NF4 : OF_FP4;
  }
}
