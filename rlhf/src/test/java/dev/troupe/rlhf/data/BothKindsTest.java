package dev.troupe.rlhf.data;

import static org.assertj.core.api.Assertions.assertThat;

import dev.troupe.protocol.data.TokenIds;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.constraints.IntRange;
import org.junit.jupiter.api.Test;

class BothKindsTest {
  @Property
  void epoch_hasEveryAnswer_andEachBatchItsShareOfBothKinds(
      @ForAll @IntRange(min = 1, max = 40) int good,
      @ForAll @IntRange(min = 1, max = 40) int bad,
      @ForAll @IntRange(min = 2, max = 16) int batchSize,
      @ForAll @IntRange(min = 0, max = 3) int epoch,
      @ForAll long seed) {
    BothKinds batches = new BothKinds(answers(good, bad), batchSize, seed);
    int perEpoch = batches.perEpoch();
    assertThat(perEpoch).isEqualTo((good + bad + batchSize - 1) / batchSize);
    Set<JudgedAnswer> seen = new HashSet<>();
    int drawn = 0;
    int without = 0;
    for (int i = 0; i < perEpoch; i++) {
      List<JudgedAnswer> batch = batches.batch((long) epoch * perEpoch + i);
      assertThat(batch).hasSizeBetween(2, batchSize);
      long ofGood = batch.stream().filter(JudgedAnswer::good).count();
      assertThat(ofGood).isBetween((long) good / perEpoch, (long) good / perEpoch + 1);
      without += ofGood == 0 || ofGood == batch.size() ? 1 : 0;
      seen.addAll(batch);
      drawn += batch.size();
    }
    assertThat(seen).hasSize(good + bad);
    assertThat(drawn).isBetween(good + bad, good + bad + 1);
    assertThat(without).isLessThanOrEqualTo((int) batches.withoutAKind());
  }

  @Test
  void epochs_differInTheirOrder_andFollowFromTheSeed() {
    BothKinds batches = new BothKinds(answers(8, 8), 4, 5);
    assertThat(batches.batch(0)).isEqualTo(new BothKinds(answers(8, 8), 4, 5).batch(0));
    assertThat(batches.batch(0)).isNotEqualTo(batches.batch(4));
    assertThat(batches.withoutAKind()).isZero();
    assertThat(new BothKinds(answers(15, 1), 4, 5).withoutAKind()).isEqualTo(3);
  }

  /** Of five answers in twos, one is left alone. */
  @Test
  void lonelyAnswer_getsOneOfTheOtherKind() {
    BothKinds batches = new BothKinds(answers(4, 1), 2, 1);
    for (int i = 0; i < 6; i++) {
      assertThat(batches.batch(i)).hasSize(2).doesNotHaveDuplicates();
    }
  }

  private static List<JudgedAnswer> answers(int good, int bad) {
    List<JudgedAnswer> all = new ArrayList<>();
    for (int i = 0; i < good + bad; i++) {
      all.add(new JudgedAnswer(TokenIds.of(i), TokenIds.of(7), i < good));
    }
    return all;
  }
}
