package dev.troupe.rlhf.environment;

import dev.troupe.rlhf.port.EnvironmentException;
import java.util.Locale;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;

/** Threads on which environments are called, and how many of their calls do not end. */
final class Calls implements AutoCloseable {
  /** Calls that were interrupted and go on all the same; after so many no more are begun. */
  private static final int MOST_HANGING = 4;

  /** What an interrupted call is given to end. */
  private static final long GRACE_MILLIS = 2000;

  private final String section;
  private final ExecutorService threads;
  private int hanging;

  /**
   * @param section of the configuration, for messages and the threads' names
   */
  Calls(String section) {
    this.section = section;
    threads =
        Executors.newCachedThreadPool(
            task -> {
              Thread thread = new Thread(task, section);
              thread.setDaemon(true);
              return thread;
            });
  }

  void execute(Runnable task) {
    threads.execute(task);
  }

  /** A call was interrupted. */
  synchronized void hangs() {
    hanging++;
  }

  /** And has ended. */
  synchronized void ended() {
    hanging--;
    notifyAll();
  }

  /**
   * Whether more may be begun.
   *
   * @throws EnvironmentException when too many calls do not end
   */
  synchronized void check(double limitSeconds) {
    long until = System.nanoTime() + GRACE_MILLIS * 1_000_000;
    try {
      while (hanging >= MOST_HANGING && System.nanoTime() < until) {
        wait(Math.max(1, (until - System.nanoTime()) / 1_000_000));
      }
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
    if (hanging >= MOST_HANGING) {
      throw new EnvironmentException(
          String.format(
              Locale.ROOT,
              "%s: %d calls of the environment took longer than their time (time-limit-seconds is"
                  + " %s), were interrupted and still run: let the environment end when its thread"
                  + " is interrupted, or give it more time",
              section,
              hanging,
              limitSeconds));
    }
  }

  @Override
  public void close() {
    threads.shutdownNow();
  }
}
