package dev.troupe.rewards;

import java.time.Duration;
import java.util.concurrent.atomic.AtomicReference;
import java.util.function.LongSupplier;

/**
 * Keeps requests from a service that is down: after so many failures in a row it lets none through
 * for a while, and then one, which decides.
 */
final class CircuitBreaker {
  /**
   * What is known.
   *
   * @param failures in a row
   * @param closedAgain when requests may pass, in the clock's nanoseconds
   */
  private record State(int failures, long closedAgain) {}

  private final int failuresToBreak;
  private final long pause;
  private final LongSupplier nanos;
  private final AtomicReference<State> state = new AtomicReference<>(new State(0, 0));

  CircuitBreaker(int failuresToBreak, Duration pause, LongSupplier nanos) {
    this.failuresToBreak = failuresToBreak;
    this.pause = pause.toNanos();
    this.nanos = nanos;
  }

  /** Whether a request may be made. */
  boolean passes() {
    State now = state.get();
    if (now.failures() < failuresToBreak) {
      return true;
    }
    long time = nanos.getAsLong();
    // One passes when the pause is over; the others wait for what becomes of it.
    return time - now.closedAgain() >= 0
        && state.compareAndSet(now, new State(now.failures(), time + pause));
  }

  void succeeded() {
    state.set(new State(0, 0));
  }

  void failed() {
    state.updateAndGet(
        was -> new State(Math.min(failuresToBreak, was.failures() + 1), nanos.getAsLong() + pause));
  }
}
