package dev.troupe.launcher.bench;

import java.util.ArrayList;
import java.util.List;

/** Works done in turn, so that a machine whose speed drifts is as fast for one as for the other. */
final class Turns {
  private Turns() {}

  static double seconds(Runnable work) {
    long start = System.nanoTime();
    work.run();
    return (System.nanoTime() - start) / 1e9;
  }

  /** How many times as long one takes as the other, round by round after one to warm up. */
  static List<Double> ratios(int rounds, Runnable one, Runnable other) {
    List<Double> ratios = new ArrayList<>();
    for (int i = 0; i <= rounds; i++) {
      double ratio = seconds(one) / seconds(other);
      if (i > 0) {
        ratios.add(ratio);
      }
    }
    return ratios;
  }
}
