package dev.troupe.actors.shortage;

import java.util.concurrent.CountDownLatch;

/**
 * Room for the threads of a run, asked for before it begins: where there is none, a thread of its
 * actor system would be the first to find out, and what it leaves behind is a run that stands
 * still.
 */
public final class Headroom {
  private Headroom() {}

  /**
   * Starts as many threads side by side as a run does, and lets them end.
   *
   * @throws OutOfMemoryError when the system starts no more, as {@link Thread#start}
   */
  public static void forThreads() {
    CountDownLatch over = new CountDownLatch(1);
    try {
      for (int i = 0; i < 16 + 2 * Runtime.getRuntime().availableProcessors(); i++) {
        Thread thread = new Thread(() -> await(over), "troupe-headroom-" + i);
        thread.setDaemon(true);
        thread.start();
      }
    } finally {
      over.countDown();
    }
  }

  private static void await(CountDownLatch over) {
    try {
      over.await();
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }
}
