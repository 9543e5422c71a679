package dev.troupe.models.torch;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.List;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.Test;

final class LanesTest {
  @Test
  void map_pieceI_runsOnLaneIModCount_resultsInOrder() {
    try (Lanes lanes = new Lanes(3)) {
      List<String> threads = lanes.map(7, i -> i + " " + Thread.currentThread().getName());
      for (int i = 0; i < 7; i++) {
        assertThat(threads.get(i)).isEqualTo(i + " torch-lane-" + i % 3);
      }
    }
  }

  @Test
  void map_failure_isThrownAfterAllPiecesEnded() {
    AtomicInteger ended = new AtomicInteger();
    CountDownLatch failed = new CountDownLatch(1);
    try (Lanes lanes = new Lanes(2)) {
      assertThatThrownBy(
              () ->
                  lanes.map(
                      2,
                      i -> {
                        if (i == 0) {
                          failed.countDown();
                          throw new IllegalStateException("piece 0");
                        }
                        awaitUninterruptibly(failed);
                        return ended.incrementAndGet();
                      }))
          .hasMessage("piece 0");
      assertThat(ended).hasValue(1);
    }
  }

  @Test
  void run_interruptedCaller_waitsForTheWorkAndStaysInterrupted() throws InterruptedException {
    CountDownLatch started = new CountDownLatch(1);
    CountDownLatch release = new CountDownLatch(1);
    AtomicInteger seen = new AtomicInteger();
    try (Lanes lanes = new Lanes(1)) {
      Thread caller =
          new Thread(
              () -> {
                int result =
                    lanes.run(
                        () -> {
                          started.countDown();
                          awaitUninterruptibly(release);
                          return 5;
                        });
                seen.set(Thread.currentThread().isInterrupted() ? result : -1);
              });
      caller.start();
      started.await();
      caller.interrupt();
      release.countDown();
      caller.join();
    }
    assertThat(seen).hasValue(5);
  }

  @Test
  void lanes_zero_isRefused() {
    assertThatThrownBy(() -> new Lanes(0)).hasMessageContaining("at least 1");
  }

  private static void awaitUninterruptibly(CountDownLatch latch) {
    try {
      latch.await();
    } catch (InterruptedException e) {
      throw new IllegalStateException(e);
    }
  }
}
