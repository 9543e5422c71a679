package dev.troupe.models.checkpoint.gguf;

import dev.troupe.models.checkpoint.DType;
import java.nio.ByteBuffer;
import java.util.Arrays;
import java.util.Map;
import java.util.Optional;
import java.util.stream.Collectors;

/**
 * How a tensor's numbers are stored: in blocks, each of so many bytes for so many numbers. Only
 * types that are read are here. Numbers and layouts are ggml's ({@code ggml-quants.c}).
 */
public enum GgufType {
  F32(0, 1, 4),
  F16(1, 1, 2),
  Q4_0(2, 32, 18),
  Q4_1(3, 32, 20),
  Q5_0(6, 32, 22),
  Q5_1(7, 32, 24),
  Q8_0(8, 32, 34),
  Q4_K(12, 256, 144),
  Q5_K(13, 256, 176),
  Q6_K(14, 256, 210),
  BF16(30, 1, 2);

  /** Of types that exist but are not read, for saying so by name. */
  private static final Map<Long, String> OTHERS =
      Map.ofEntries(
          Map.entry(9L, "Q8_1"),
          Map.entry(10L, "Q2_K"),
          Map.entry(11L, "Q3_K"),
          Map.entry(15L, "Q8_K"),
          Map.entry(16L, "IQ2_XXS"),
          Map.entry(17L, "IQ2_XS"),
          Map.entry(18L, "IQ3_XXS"),
          Map.entry(19L, "IQ1_S"),
          Map.entry(20L, "IQ4_NL"),
          Map.entry(21L, "IQ3_S"),
          Map.entry(22L, "IQ2_S"),
          Map.entry(23L, "IQ4_XS"),
          Map.entry(24L, "I8"),
          Map.entry(25L, "I16"),
          Map.entry(26L, "I32"),
          Map.entry(27L, "I64"),
          Map.entry(28L, "F64"),
          Map.entry(29L, "IQ1_M"),
          Map.entry(34L, "TQ1_0"),
          Map.entry(35L, "TQ2_0"),
          Map.entry(39L, "MXFP4"));

  private final long number;
  private final int blockNumbers;
  private final int blockBytes;

  GgufType(long number, int blockNumbers, int blockBytes) {
    this.number = number;
    this.blockNumbers = blockNumbers;
    this.blockBytes = blockBytes;
  }

  /** Numbers in one block. */
  public int blockNumbers() {
    return blockNumbers;
  }

  /** Bytes of one block. */
  public int blockBytes() {
    return blockBytes;
  }

  /**
   * Turns blocks into numbers.
   *
   * @param bytes little-endian, blocks from position 0 on; not moved
   * @param count how many blocks
   * @param values receives the numbers
   * @param to where in {@code values}
   */
  void read(ByteBuffer bytes, int count, float[] values, int to) {
    for (int i = 0; i < count; i++) {
      int at = i * blockBytes;
      int place = to + i * blockNumbers;
      switch (this) {
        case F32 -> values[place] = bytes.getFloat(at);
        case F16 -> values[place] = DType.fromF16(bytes.getShort(at));
        case BF16 -> values[place] = DType.fromBf16(bytes.getShort(at));
        case Q4_0 -> Blocks.q40(bytes, at, values, place);
        case Q4_1 -> Blocks.q41(bytes, at, values, place);
        case Q5_0 -> Blocks.q50(bytes, at, values, place);
        case Q5_1 -> Blocks.q51(bytes, at, values, place);
        case Q8_0 -> Blocks.q80(bytes, at, values, place);
        case Q4_K -> Blocks.q4k(bytes, at, values, place);
        case Q5_K -> Blocks.q5k(bytes, at, values, place);
        case Q6_K -> Blocks.q6k(bytes, at, values, place);
      }
    }
  }

  static Optional<GgufType> of(long number) {
    return Arrays.stream(values()).filter(type -> type.number == number).findFirst();
  }

  /** What a number that is not read stands for. */
  static String nameOf(long number) {
    return OTHERS.getOrDefault(number, "of unknown number " + number);
  }

  static String names() {
    return Arrays.stream(values()).map(Enum::name).collect(Collectors.joining(", "));
  }
}
