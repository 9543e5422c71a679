package dev.troupe.protocol.data;

/**
 * How the linear layers of a frozen base are held: numbers of a weight, row by row, in blocks that
 * share a scale, their largest magnitude (Dettmers et al., QLoRA, arXiv:2305.14314, 3).
 *
 * @param storage of the numbers: {@link Storage#ofBlocks}
 * @param blockSize numbers that share a scale: a power of two from 32 to 4096
 * @param doubleQuantisation whether scales are held in eight bits too, 256 of them with a scale of
 *     their own
 */
public record Quantisation(Storage storage, int blockSize, boolean doubleQuantisation) {
  /** What blocks can be. */
  public static final int LEAST_BLOCK = 32;

  /** What blocks can be. */
  public static final int LARGEST_BLOCK = 4096;

  public Quantisation {
    if (!Storage.ofBlocks().contains(storage)) {
      throw new IllegalArgumentException(
          "a base is not held in blocks of " + storage + "; expected one of " + Storage.ofBlocks());
    }
    if (!isBlock(blockSize)) {
      throw new IllegalArgumentException(
          "a block of "
              + blockSize
              + " numbers; expected a power of two from "
              + LEAST_BLOCK
              + " to "
              + LARGEST_BLOCK);
    }
  }

  /** Whether blocks can have so many numbers. */
  public static boolean isBlock(int size) {
    return size >= LEAST_BLOCK && size <= LARGEST_BLOCK && Integer.bitCount(size) == 1;
  }

  /** For people. */
  public String describe() {
    return storage
        + " in blocks of "
        + blockSize
        + (doubleQuantisation ? ", scales in eight bits" : ", scales in float32");
  }
}
