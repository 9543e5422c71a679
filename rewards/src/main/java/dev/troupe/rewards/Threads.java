package dev.troupe.rewards;

import java.time.Duration;

/** Threads that never keep a JVM alive. */
final class Threads {
  private Threads() {}

  static Thread daemon(Runnable task, String name) {
    Thread thread = new Thread(task, name);
    thread.setDaemon(true);
    return thread;
  }

  /** For messages. */
  static String seconds(Duration time) {
    double seconds = time.toNanos() / 1e9;
    return (seconds == Math.rint(seconds)
            ? Long.toString((long) seconds)
            : Double.toString(seconds))
        + " s";
  }
}
