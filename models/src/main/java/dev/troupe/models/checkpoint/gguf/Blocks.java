package dev.troupe.models.checkpoint.gguf;

import dev.troupe.models.checkpoint.DType;
import java.nio.ByteBuffer;

/**
 * One block of each storage type as numbers. In all of them {@code d} is the step and the stored
 * whole numbers count steps; products and sums are rounded to float in ggml's order, so that the
 * results are the same to the bit.
 */
final class Blocks {
  private Blocks() {}

  /** 32 numbers: d, 16 bytes of two four-bit counts around 8, the first half in the low bits. */
  static void q40(ByteBuffer bytes, int at, float[] values, int to) {
    float d = half(bytes, at);
    for (int i = 0; i < 16; i++) {
      int pair = bytes.get(at + 2 + i);
      values[to + i] = d * (bits(pair, 0, 4) - 8);
      values[to + 16 + i] = d * (bits(pair, 4, 4) - 8);
    }
  }

  /** As {@link #q40}, with the least number m in place of a middle. */
  static void q41(ByteBuffer bytes, int at, float[] values, int to) {
    float d = half(bytes, at);
    float m = half(bytes, at + 2);
    for (int i = 0; i < 16; i++) {
      int pair = bytes.get(at + 4 + i);
      values[to + i] = d * bits(pair, 0, 4) + m;
      values[to + 16 + i] = d * bits(pair, 4, 4) + m;
    }
  }

  /** As {@link #q40}, with a fifth bit of each count in a word of 32 bits; around 16. */
  static void q50(ByteBuffer bytes, int at, float[] values, int to) {
    float d = half(bytes, at);
    int fifths = bytes.getInt(at + 2);
    for (int i = 0; i < 16; i++) {
      int pair = bytes.get(at + 6 + i);
      values[to + i] = d * ((bits(pair, 0, 4) + 16 * bits(fifths, i, 1)) - 16);
      values[to + 16 + i] = d * ((bits(pair, 4, 4) + 16 * bits(fifths, i + 16, 1)) - 16);
    }
  }

  /** As {@link #q50}, with the least number m in place of a middle. */
  static void q51(ByteBuffer bytes, int at, float[] values, int to) {
    float d = half(bytes, at);
    float m = half(bytes, at + 2);
    int fifths = bytes.getInt(at + 4);
    for (int i = 0; i < 16; i++) {
      int pair = bytes.get(at + 8 + i);
      values[to + i] = d * (bits(pair, 0, 4) + 16 * bits(fifths, i, 1)) + m;
      values[to + 16 + i] = d * (bits(pair, 4, 4) + 16 * bits(fifths, i + 16, 1)) + m;
    }
  }

  /** 32 numbers: d, 32 signed bytes. */
  static void q80(ByteBuffer bytes, int at, float[] values, int to) {
    float d = half(bytes, at);
    for (int i = 0; i < 32; i++) {
      values[to + i] = d * bytes.get(at + 2 + i);
    }
  }

  /**
   * 256 numbers in eight groups of 32, each with a step and a least number, six bits both, counted
   * in units of d and of dmin: d, dmin, 12 bytes of those, 128 bytes of four-bit counts, the low
   * bits of each 32 bytes one group, the high bits the next.
   */
  static void q4k(ByteBuffer bytes, int at, float[] values, int to) {
    float d = half(bytes, at);
    float dmin = half(bytes, at + 2);
    for (int group = 0; group < 8; group++) {
      float step = d * groupStep(bytes, at + 4, group);
      float least = dmin * groupLeast(bytes, at + 4, group);
      int from = at + 16 + group / 2 * 32;
      int shift = group % 2 * 4;
      for (int i = 0; i < 32; i++) {
        values[to + group * 32 + i] = step * bits(bytes.get(from + i), shift, 4) - least;
      }
    }
  }

  /** As {@link #q4k}, with fifth bits: 32 bytes of them, bit g of byte i for group g's number i. */
  static void q5k(ByteBuffer bytes, int at, float[] values, int to) {
    float d = half(bytes, at);
    float dmin = half(bytes, at + 2);
    for (int group = 0; group < 8; group++) {
      float step = d * groupStep(bytes, at + 4, group);
      float least = dmin * groupLeast(bytes, at + 4, group);
      int from = at + 48 + group / 2 * 32;
      int shift = group % 2 * 4;
      for (int i = 0; i < 32; i++) {
        int fifth = 16 * bits(bytes.get(at + 16 + i), group, 1);
        values[to + group * 32 + i] = step * (bits(bytes.get(from + i), shift, 4) + fifth) - least;
      }
    }
  }

  /** The six bits of a group's step: whole for the first four, split in 4 + 2 bits for the rest. */
  private static int groupStep(ByteBuffer bytes, int at, int group) {
    return group < 4
        ? bits(bytes.get(at + group), 0, 6)
        : bits(bytes.get(at + group + 4), 0, 4) + 16 * bits(bytes.get(at + group - 4), 6, 2);
  }

  private static int groupLeast(ByteBuffer bytes, int at, int group) {
    return group < 4
        ? bits(bytes.get(at + group + 4), 0, 6)
        : bits(bytes.get(at + group + 4), 4, 4) + 16 * bits(bytes.get(at + group), 6, 2);
  }

  /**
   * 256 numbers: 128 bytes of low four bits, 64 bytes of high two bits, 16 signed steps in units of
   * d, one for each 16 numbers, and d. Each half of 128 numbers takes 64 of the first: low bits for
   * its first 64 numbers, high bits for the others; and 32 of the second: two bits for each 32.
   */
  static void q6k(ByteBuffer bytes, int at, float[] values, int to) {
    float d = half(bytes, at + 208);
    for (int i = 0; i < 256; i++) {
      int half = i / 128;
      int quarter = i % 128 / 32;
      int low = bits(bytes.get(at + half * 64 + i % 64), quarter / 2 * 4, 4);
      int high = bits(bytes.get(at + 128 + half * 32 + i % 32), quarter * 2, 2);
      float step = d * bytes.get(at + 192 + i / 16);
      values[to + i] = step * (low + 16 * high - 32);
    }
  }

  private static int bits(int value, int from, int count) {
    return (value >> from) & ((1 << count) - 1);
  }

  private static float half(ByteBuffer bytes, int at) {
    return DType.fromF16(bytes.getShort(at));
  }
}
