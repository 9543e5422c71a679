package dev.troupe.dashboard;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import dev.troupe.dashboard.Series.Point;
import java.util.List;
import org.junit.jupiter.api.Test;

final class SeriesTest {
  private final Series series = new Series();

  @Test
  void add_fewSteps_keepsEachAsItIs() {
    series.add(1, 0.5);
    series.add(3, -2);
    assertThat(series.points()).containsExactly(new Point(1, 0.5), new Point(3, -2));
  }

  @Test
  void add_manySteps_staysBoundedAndKeepsTheMean() {
    int steps = 100_000;
    for (int step = 1; step <= steps; step++) {
      series.add(step, step);
    }
    List<Point> points = series.points();
    assertThat(points).hasSizeBetween(Series.CAPACITY / 2, Series.CAPACITY);
    assertThat(points.get(points.size() - 1).step()).isEqualTo(steps);
    // 100000 > 512 * 128, so a point is the mean of 256 steps: of 1 … 256 at first.
    assertThat(points.get(0)).isEqualTo(new Point(256, 128.5));
    assertThat(points).isSortedAccordingTo((a, b) -> Long.compare(a.step(), b.step()));
  }

  @Test
  void add_notFinite_isAGapAndNoPartOfAMean() {
    series.add(1, Double.NaN);
    assertThat(series.points().get(0).value()).isNaN();
    for (int step = 2; step <= 2 * Series.CAPACITY; step++) {
      series.add(step, step % 2 == 0 ? 3 : Double.POSITIVE_INFINITY);
    }
    assertThat(series.points()).hasSize(Series.CAPACITY);
    assertThat(series.points())
        .allSatisfy(point -> assertThat(point.value()).isCloseTo(3, within(1e-12)));
  }

  @Test
  void add_stepsAgainAfterAResume_replacesThem() {
    for (int step = 1; step <= 10; step++) {
      series.add(step, 1);
    }
    series.add(8, 2);
    series.add(9, 2);
    assertThat(series.points())
        .hasSize(9)
        .endsWith(new Point(7, 1), new Point(8, 2), new Point(9, 2));
  }

  @Test
  void points_areACopy() {
    series.add(1, 1);
    List<Point> before = series.points();
    series.add(2, 2);
    assertThat(before).hasSize(1);
  }
}
