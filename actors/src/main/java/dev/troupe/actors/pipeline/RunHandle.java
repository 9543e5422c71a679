package dev.troupe.actors.pipeline;

import java.net.URI;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.function.Predicate;

/** A run that goes on. */
public final class RunHandle {
  private final AtomicBoolean cancelled;
  private final CompletableFuture<RunResult> result;

  private final long eventsBefore;

  private final RunDirectory directory;
  private final Optional<URI> page;
  private final Predicate<String> notices;

  RunHandle(
      AtomicBoolean cancelled,
      CompletableFuture<RunResult> result,
      long eventsBefore,
      RunDirectory directory,
      Optional<URI> page,
      Predicate<String> notices) {
    this.cancelled = cancelled;
    this.result = result;
    this.eventsBefore = eventsBefore;
    this.directory = directory;
    this.page = page;
    this.notices = notices;
  }

  /** Where the run's page is, when one was asked for. */
  public Optional<URI> page() {
    return page;
  }

  /** Whether the run's directory holds anything that was trained, to go on from. */
  public boolean holdsTraining() {
    return directory.holdsTraining();
  }

  /**
   * Has something be told with the run's events that whoever surrounds it knows.
   *
   * @return whether the run was still there to take it
   */
  public boolean notice(String text) {
    return notices.test(text);
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
