package dev.troupe.engine;

import static org.assertj.core.api.Assertions.assertThat;

import dev.troupe.protocol.data.Span;
import java.util.ArrayList;
import java.util.Collections;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.concurrent.atomic.AtomicInteger;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.constraints.IntRange;

final class SumTreeTest {
  private static String plus(String one, String other) {
    return "(" + one + other + ")";
  }

  @Property
  void add_inAnyOrder_givesTheSumOfTheTree(
      @ForAll @IntRange(min = 1, max = 60) int size, @ForAll long seed) {
    Span whole = new Span(0, size);
    Map<Span, String> each = new HashMap<>();
    List<Integer> numbers = new ArrayList<>();
    for (int i = 0; i < size; i++) {
      each.put(new Span(i, i + 1), i + " ");
      numbers.add(i);
    }
    Collections.shuffle(numbers, new Random(seed));
    SumTree<String> tree = new SumTree<>(whole, SumTreeTest::plus);
    numbers.forEach(number -> tree.add(number, number + " "));
    assertThat(tree.take()).isEqualTo(Map.of(whole, whole.sum(each, SumTreeTest::plus)));
    assertThat(tree.take()).isEmpty();
  }

  @Property
  void add_ofConsecutiveNumbers_leavesTheFewestParts(
      @ForAll @IntRange(min = 1, max = 60) int size,
      @ForAll @IntRange(min = 0, max = 60) int start,
      @ForAll @IntRange(min = 0, max = 60) int end) {
    Span whole = new Span(0, size);
    SumTree<String> tree = new SumTree<>(whole, SumTreeTest::plus);
    for (int i = start; i < Math.min(end, size); i++) {
      tree.add(i, i + " ");
    }
    assertThat(tree.take().keySet())
        .containsExactlyInAnyOrderElementsOf(whole.within(start, Math.min(end, size)));
  }

  /** What a plan of memory counts: as many gradients as that, and no more. */
  @Property
  void add_byLanesThatTakeTheNext_keepsFew(
      @ForAll @IntRange(min = 1, max = 200) int size,
      @ForAll @IntRange(min = 1, max = 8) int lanes,
      @ForAll long seed) {
    AtomicInteger held = new AtomicInteger();
    SumTree<Integer> tree =
        new SumTree<>(
            new Span(0, size),
            (one, other) -> {
              held.decrementAndGet();
              return one + other;
            });
    List<Integer> underway = new ArrayList<>();
    Random random = new Random(seed);
    int next = 0;
    int most = 0;
    while (next < size || !underway.isEmpty()) {
      while (underway.size() < lanes && next < size) {
        underway.add(next++);
      }
      // Whoever is done first is among those that began about together.
      int number = underway.remove(random.nextInt(Math.min(2, underway.size())));
      most = Math.max(most, held.incrementAndGet());
      tree.add(number, 1);
    }
    assertThat(tree.take().values()).containsExactly(size);
    // One more where one lags behind.
    assertThat(most).isLessThanOrEqualTo(Trainer.gradients(size, lanes) + 1);
  }
}
