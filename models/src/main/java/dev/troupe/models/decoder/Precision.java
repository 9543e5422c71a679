package dev.troupe.models.decoder;

/**
 * In what the matrices of a model are held and multiplied, and attention is computed. Everything
 * else, sums, norms, adapters, the softmax over the vocabulary and losses, is float32 either way.
 */
public enum Precision {
  /** float32: exact but for the order of additions. */
  FP32(4),
  /**
   * bfloat16 factors and products, added up in float32: half the memory, and several times the
   * speed on a CPU with AMX or AVX512-BF16; slower than float32 on one without.
   */
  BF16(2);

  private final int bytes;

  Precision(int bytes) {
    this.bytes = bytes;
  }

  /** Bytes per number of a matrix. */
  public int bytes() {
    return bytes;
  }
}
