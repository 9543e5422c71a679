package dev.troupe.protocol.data;

import java.util.Collections;
import java.util.EnumSet;
import java.util.Set;

/**
 * In what numbers the matrices of a model are held. Not every one serves every purpose: products of
 * training, rollouts and a frozen base have sets of their own here.
 */
public enum Storage {
  /** float32: exact but for the order of additions. */
  FP32(32),
  /**
   * bfloat16 factors and products, added up in float32: half the memory, and several times the
   * speed on a CPU with AMX or AVX512-BF16; slower than float32 on one without.
   */
  BF16(16),
  /** float16. */
  FP16(16),
  /** Whole numbers of eight bits times a scale. */
  INT8(8),
  /**
   * One of sixteen quantiles of a normal distribution times a scale (Dettmers et al.,
   * arXiv:2305.14314, 3).
   */
  NF4(4),
  /** One of eight floating-point numbers of four bits and its negative, times a scale. */
  FP4(4);

  private static final Set<Storage> PRODUCTS = Collections.unmodifiableSet(EnumSet.of(FP32, BF16));
  private static final Set<Storage> ROLLOUTS =
      Collections.unmodifiableSet(EnumSet.of(FP32, BF16, FP16, INT8));
  private static final Set<Storage> BLOCKS =
      Collections.unmodifiableSet(EnumSet.of(INT8, NF4, FP4));

  private final int bits;

  Storage(int bits) {
    this.bits = bits;
  }

  /** What training and scoring multiply in, and what else is float32 is beside. */
  public static Set<Storage> ofProducts() {
    return PRODUCTS;
  }

  /** What merged matrices that sample can be held in. */
  public static Set<Storage> ofRollouts() {
    return ROLLOUTS;
  }

  /** What a frozen base can be held in block by block, each with a scale of its own. */
  public static Set<Storage> ofBlocks() {
    return BLOCKS;
  }

  /** Whether what samples can be held so only as the frozen base is: nothing is merged with it. */
  public boolean isOfBaseAlone() {
    return bits < Byte.SIZE;
  }

  /** Bits of one number, scales not counted. */
  public int bits() {
    return bits;
  }

  /** Bytes of so many numbers, scales not counted. */
  public long bytes(long numbers) {
    return numbers * bits / Byte.SIZE;
  }
}
