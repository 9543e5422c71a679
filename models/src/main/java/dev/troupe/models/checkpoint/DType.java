package dev.troupe.models.checkpoint;

/** The element types of weights that are read and written; all little-endian in a file. */
public enum DType {
  F32(4),
  F16(2),
  BF16(2);

  private final int bytes;

  DType(int bytes) {
    this.bytes = bytes;
  }

  /** Bytes of one element. */
  public int bytes() {
    return bytes;
  }

  /** The name PyTorch uses in {@code config.json}, for example {@code bfloat16}. */
  public String torchName() {
    return switch (this) {
      case F32 -> "float32";
      case F16 -> "float16";
      case BF16 -> "bfloat16";
    };
  }

  /** The nearest number of this type, ties to even; beyond its range infinite. */
  public float rounded(float value) {
    return switch (this) {
      case F32 -> value;
      case F16 -> fromF16(toF16(value));
      case BF16 -> fromBf16(toBf16(value));
    };
  }

  /** The number whose upper half the bfloat16 {@code bits} are; exact. */
  public static float fromBf16(short bits) {
    return Float.intBitsToFloat(bits << 16);
  }

  /** Rounds to the nearest bfloat16, ties to even; NaN stays NaN. */
  public static short toBf16(float value) {
    int bits = Float.floatToRawIntBits(value);
    if (Float.isNaN(value)) {
      return (short)
          ((bits >>> 16) | 0x40); // quiet, so that cutting the lower half cannot make it infinite
    }
    return (short) ((bits + 0x7fff + ((bits >>> 16) & 1)) >>> 16);
  }

  /** The number an IEEE half stands for; exact. */
  public static float fromF16(short bits) {
    int sign = (bits & 0x8000) << 16;
    int exponent = (bits >>> 10) & 0x1f;
    int mantissa = bits & 0x3ff;
    if (exponent == 0) {
      float magnitude = mantissa * 0x1p-24f;
      return sign == 0 ? magnitude : -magnitude;
    }
    int wide = exponent == 31 ? 0x7f800000 : (exponent + 112) << 23;
    return Float.intBitsToFloat(sign | wide | (mantissa << 13));
  }

  /**
   * Rounds to the nearest IEEE half, ties to even; beyond the range it is infinite, NaN stays NaN.
   */
  public static short toF16(float value) {
    int bits = Float.floatToRawIntBits(value);
    int sign = (bits >>> 16) & 0x8000;
    int magnitude = bits & 0x7fffffff;
    if (magnitude > 0x7f800000) {
      return (short) (sign | 0x7e00);
    }
    if (magnitude
        >= 0x477ff000) { // 65520, half way between the largest half and the next power of two
      return (short) (sign | 0x7c00);
    }
    if (magnitude < 0x38800000) { // below 2^-14: a whole number of 2^-24
      return (short) (sign | (int) Math.rint(Float.intBitsToFloat(magnitude) * 0x1p24));
    }
    int rebiased = magnitude - (112 << 23);
    return (short) (sign | ((rebiased + 0xfff + ((rebiased >>> 13) & 1)) >>> 13));
  }
}
