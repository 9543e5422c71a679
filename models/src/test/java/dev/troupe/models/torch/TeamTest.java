package dev.troupe.models.torch;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;

final class TeamTest {
  @BeforeAll
  static void load() {
    NativeLibrary.State state = NativeLibrary.state();
    assumeTrue(state instanceof NativeLibrary.Loaded, state::toString);
  }

  @Test
  void inTeams_lanesAreSplitEvenly_resultsInOrder() {
    try (Lanes lanes = new Lanes(5)) {
      assertThat(
              lanes.inTeams(
                  2, (team, i) -> i + " " + team.lanes() + " " + Thread.currentThread().getName()))
          .containsExactly("0 2 torch-lane-0", "1 3 torch-lane-2");
    }
  }

  @Test
  void map_piecesAreDoneOnAllLanes_resultsInOrder() {
    long before = Handle.live();
    try (Lanes lanes = new Lanes(3)) {
      for (int round = 0; round < 20; round++) {
        // Each waits for the others: one lane alone would never end.
        CountDownLatch together = new CountDownLatch(3);
        List<Integer> results =
            lanes
                .inTeams(
                    1,
                    (team, number) ->
                        team.map(
                            3,
                            i -> {
                              together.countDown();
                              await(together);
                              return i;
                            }))
                .get(0);
        assertThat(results).containsExactly(0, 1, 2);
      }
    }
    assertThat(Handle.live()).isEqualTo(before);
  }

  @Test
  void map_failure_isThrownAfterAllPiecesEnded_andLanesGoOn() {
    AtomicInteger ended = new AtomicInteger();
    try (Lanes lanes = new Lanes(2)) {
      assertThatThrownBy(
              () ->
                  lanes.inTeams(
                      1,
                      (team, number) ->
                          team.map(
                              5,
                              i -> {
                                if (i == 1) {
                                  throw new IllegalStateException("piece 1");
                                }
                                return ended.incrementAndGet();
                              })))
          .hasMessage("piece 1");
      assertThat(ended).hasValue(4);
      assertThat(lanes.map(2, i -> i)).containsExactly(0, 1);
    }
  }

  @Test
  void inTeams_laneThatIsBusyOtherwise_isNotWaitedFor() {
    CountDownLatch busy = new CountDownLatch(1);
    List<Integer> done = new ArrayList<>();
    try (Lanes lanes = new Lanes(2)) {
      Thread other =
          new Thread(
              () ->
                  lanes.map(
                      2,
                      i -> {
                        if (i == 1) {
                          await(busy);
                        }
                        return i;
                      }));
      other.start();
      done.addAll(lanes.inTeams(1, (team, number) -> team.map(4, i -> i)).get(0));
      busy.countDown();
      join(other);
    }
    assertThat(done).containsExactly(0, 1, 2, 3);
  }

  private static void await(CountDownLatch latch) {
    try {
      latch.await();
    } catch (InterruptedException e) {
      throw new IllegalStateException(e);
    }
  }

  private static void join(Thread thread) {
    try {
      thread.join();
    } catch (InterruptedException e) {
      throw new IllegalStateException(e);
    }
  }
}
