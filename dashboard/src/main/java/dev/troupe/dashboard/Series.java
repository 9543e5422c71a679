package dev.troupe.dashboard;

import java.util.ArrayList;
import java.util.List;

/**
 * A metric over steps in at most {@value #CAPACITY} points, however long the run. A point is the
 * mean over its neighbours' steps; whenever the series is full, neighbours are joined in pairs.
 */
final class Series {
  static final int CAPACITY = 512;

  /**
   * @param step the last one that is part of the mean
   * @param value NaN when no step had a finite value
   */
  record Point(long step, double value) {}

  /** A mean that can still take up more. */
  private record Bucket(long step, double sum, int finite, int size) {
    static Bucket of(long step, double value) {
      boolean finite = Double.isFinite(value);
      return new Bucket(step, finite ? value : 0, finite ? 1 : 0, 1);
    }

    Bucket join(Bucket later) {
      return new Bucket(later.step, sum + later.sum, finite + later.finite, size + later.size);
    }

    Point point() {
      return new Point(step, finite == 0 ? Double.NaN : sum / finite);
    }
  }

  private final List<Bucket> buckets = new ArrayList<>();
  private int stride = 1;
  private List<Point> points = List.of();
  private boolean stale;

  /**
   * Adds a value; a step that is not after the last one replaces it and all after it (a resume).
   */
  void add(long step, double value) {
    stale = true;
    while (!buckets.isEmpty() && last().step() >= step) {
      buckets.remove(buckets.size() - 1);
    }
    Bucket next = Bucket.of(step, value);
    if (!buckets.isEmpty() && last().size() < stride) {
      buckets.set(buckets.size() - 1, last().join(next));
      return;
    }
    if (buckets.size() == CAPACITY) {
      halve();
    }
    buckets.add(next);
  }

  private Bucket last() {
    return buckets.get(buckets.size() - 1);
  }

  private void halve() {
    for (int i = 0; i < CAPACITY / 2; i++) {
      buckets.set(i, buckets.get(2 * i).join(buckets.get(2 * i + 1)));
    }
    buckets.subList(CAPACITY / 2, CAPACITY).clear();
    stride *= 2;
  }

  /** An immutable copy. */
  List<Point> points() {
    if (stale) {
      points = buckets.stream().map(Bucket::point).toList();
      stale = false;
    }
    return points;
  }
}
