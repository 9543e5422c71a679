package dev.troupe.rlhf.loss;

import dev.troupe.protocol.data.Floats;

/** Checks of sizes, with messages that print both. */
final class Shapes {
  private Shapes() {}

  static void same(String first, int firstSize, String second, int secondSize) {
    if (firstSize != secondSize) {
      throw new IllegalArgumentException(
          first
              + " has "
              + firstSize
              + " elements and "
              + second
              + " has "
              + secondSize
              + ", they must be equal");
    }
  }

  static void same(String first, Floats a, String second, Floats b) {
    same(first, a.size(), second, b.size());
  }

  static void outputs(int examples, int outputs) {
    same("examples", examples, "outputs", outputs);
  }
}
