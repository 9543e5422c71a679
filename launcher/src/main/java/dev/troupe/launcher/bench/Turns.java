package dev.troupe.launcher.bench;

import java.util.ArrayList;
import java.util.List;

/** Works done in turn, so that a machine whose speed drifts is as fast for one as for the other. */
final class Turns {
  /** A work that differs from round to round. */
  interface Work {
    /** Does it; how much it was. */
    double run(int round);
  }

  /**
   * How many times as much one takes as the other for as much work, by round.
   *
   * @param wall by the clock
   * @param processor of the processor, which other processes disturb less
   */
  record Ratios(List<Double> wall, List<Double> processor) {}

  private Turns() {}

  static double seconds(Runnable work) {
    long start = System.nanoTime();
    work.run();
    return (System.nanoTime() - start) / 1e9;
  }

  /** How many times as long one takes as the other, round by round after one to warm up. */
  static List<Double> ratios(int rounds, Runnable one, Runnable other) {
    return ratios(rounds, once(one), once(other)).wall();
  }

  /** As above, of works that may differ in how much they are. */
  static Ratios ratios(int rounds, Work one, Work other) {
    List<Double> wall = new ArrayList<>();
    List<Double> processor = new ArrayList<>();
    for (int round = 0; round <= rounds; round++) {
      double[] amounts = new double[2];
      int now = round;
      Taken first = Taken.by(() -> amounts[0] = one.run(now));
      Taken second = Taken.by(() -> amounts[1] = other.run(now));
      double amount = amounts[0] / amounts[1];
      if (round > 0) {
        wall.add(first.wall() / second.wall() / amount);
        processor.add(first.processor() / second.processor() / amount);
      }
    }
    return new Ratios(wall, processor);
  }

  /** Of the same amount in every round. */
  static Work once(Runnable work) {
    return round -> {
      work.run();
      return 1;
    };
  }
}
