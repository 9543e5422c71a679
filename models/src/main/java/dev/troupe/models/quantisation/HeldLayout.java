package dev.troupe.models.quantisation;

import dev.troupe.protocol.data.Quantisation;
import dev.troupe.protocol.data.Storage;
import java.util.Arrays;
import java.util.List;

/**
 * Where the bytes of a weight lie that is held in blocks, (rows, columns), of one or more tensors
 * of a checkpoint whose rows follow one another: codes; then a float32 scale for each block, or,
 * with double quantisation, a byte for each, filled up to a multiple of four, a float32 for each
 * {@value #GROUP} of them within a tensor, and one for each tensor that is added.
 */
public final class HeldLayout {
  /** Scales that share a scale of their own. */
  public static final int GROUP = 256;

  private final Quantisation quantisation;
  private final int columns;
  private final int[] rows;

  private HeldLayout(Quantisation quantisation, int columns, int... rows) {
    this.quantisation = quantisation;
    this.columns = columns;
    this.rows = rows;
  }

  /**
   * Of one or more tensors whose rows follow one another, each as {@link #require} has it.
   *
   * @param rows of each tensor
   */
  public static HeldLayout of(Quantisation quantisation, int columns, int... rows) {
    return new HeldLayout(quantisation, columns, rows);
  }

  /** Of one matrix. */
  public static HeldLayout of(int rows, int columns, Quantisation quantisation) {
    require("a matrix", new long[] {rows, columns}, quantisation);
    return new HeldLayout(quantisation, columns, rows);
  }

  /**
   * Checks that a tensor can be held so.
   *
   * @throws IllegalArgumentException naming it
   */
  public static void require(String name, long[] shape, Quantisation quantisation) {
    long numbers = Arrays.stream(shape).reduce(1, Math::multiplyExact);
    if (numbers % quantisation.blockSize() != 0 || Arrays.stream(shape).anyMatch(n -> n % 2 != 0)) {
      throw new IllegalArgumentException(
          name
              + " "
              + Arrays.toString(shape)
              + " has "
              + numbers
              + " numbers, which are no multiple of a block of "
              + quantisation.blockSize()
              + (numbers % quantisation.blockSize() == 0 ? " in even rows" : "")
              + ": it cannot be held in "
              + quantisation.storage()
              + ". Let engine.base.block-size be a divisor, or engine.base.storage be auto");
    }
  }

  public Quantisation quantisation() {
    return quantisation;
  }

  public int columns() {
    return columns;
  }

  /** Rows of all its tensors. */
  public int rows() {
    return Arrays.stream(rows).sum();
  }

  /** Its tensors. */
  public int parts() {
    return rows.length;
  }

  /** Numbers of one of its tensors. */
  public long numbers(int part) {
    return (long) rows[part] * columns;
  }

  private long numbers() {
    return (long) rows() * columns;
  }

  int blocks(int part) {
    return Math.toIntExact(numbers(part) / quantisation.blockSize());
  }

  private int blocks() {
    return Math.toIntExact(numbers() / quantisation.blockSize());
  }

  static int groups(int blocks) {
    return (blocks + GROUP - 1) / GROUP;
  }

  /** Where a tensor's codes begin. */
  long codes(int part) {
    return quantisation.storage().bytes(before(part));
  }

  private long before(int part) {
    long numbers = 0;
    for (int i = 0; i < part; i++) {
      numbers += numbers(i);
    }
    return numbers;
  }

  private long behindCodes() {
    return quantisation.storage().bytes(numbers());
  }

  /** Where a tensor's scales begin: float32 each, or bytes. */
  long scales(int part) {
    long blocks = before(part) / quantisation.blockSize();
    return behindCodes() + (quantisation.doubleQuantisation() ? blocks : Float.BYTES * blocks);
  }

  private long behindScales() {
    return behindCodes() + (blocks() + 3L) / 4 * 4;
  }

  /** Where the scales of a tensor's scales begin. */
  long groupScales(int part) {
    int groups = 0;
    for (int i = 0; i < part; i++) {
      groups += groups(blocks(i));
    }
    return behindScales() + (long) Float.BYTES * groups;
  }

  /** Where it says what is added to a tensor's scales. */
  long offset(int part) {
    return groupScales(rows.length) + (long) Float.BYTES * part;
  }

  /** All of them. */
  public long bytes() {
    return quantisation.doubleQuantisation()
        ? offset(rows.length)
        : behindCodes() + (long) Float.BYTES * blocks();
  }

  /**
   * As the kernels are told: kind, block, whether scales are bytes, columns, rows of each tensor.
   */
  public long[] how() {
    long[] how = new long[4 + rows.length];
    how[0] = List.of(Storage.INT8, Storage.NF4, Storage.FP4).indexOf(quantisation.storage());
    how[1] = quantisation.blockSize();
    how[2] = quantisation.doubleQuantisation() ? 1 : 0;
    how[3] = columns;
    for (int i = 0; i < rows.length; i++) {
      how[4 + i] = rows[i];
    }
    return how;
  }
}
