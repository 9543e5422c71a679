package dev.troupe.actors.pipeline;

import java.util.concurrent.CompletableFuture;
import java.util.concurrent.atomic.AtomicBoolean;

/** A run that goes on. */
public final class RunHandle {
  private final AtomicBoolean cancelled;
  private final CompletableFuture<RunResult> result;

  private final long eventsBefore;

  RunHandle(AtomicBoolean cancelled, CompletableFuture<RunResult> result, long eventsBefore) {
    this.cancelled = cancelled;
    this.result = result;
    this.eventsBefore = eventsBefore;
  }

  /** How many events the file held when the run began: 0, or those of the run that is resumed. */
  public long eventsBefore() {
    return eventsBefore;
  }

  /** Asks for a stop at the next step; the result then says so. */
  public void cancel() {
    cancelled.set(true);
  }

  /** Completes when the run has ended and its roles are gone; fails when a stage failed. */
  public CompletableFuture<RunResult> result() {
    return result;
  }
}
