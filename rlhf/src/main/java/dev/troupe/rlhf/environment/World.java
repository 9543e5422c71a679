package dev.troupe.rlhf.environment;

import dev.troupe.rlhf.port.Environment;
import dev.troupe.rlhf.port.EnvironmentFactory;
import dev.troupe.rlhf.port.EpisodeException;
import java.util.Locale;
import java.util.concurrent.Callable;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.FutureTask;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;

/**
 * The environment of one episode: one call at a time, each within its time on a thread that may
 * block; closed in the end, whatever happened, after a call that was given up has ended.
 */
final class World {
  static final String TOO_LONG = "the environment took too long";

  private final Calls calls;
  private final EnvironmentFactory factory;
  private final Environment.Task task;
  private final EpisodesConfig bounds;
  private final CompletableFuture<Void> closed = new CompletableFuture<>();
  private long left;
  private @Nullable Environment environment;
  private int running;
  private boolean over;
  private boolean givenUp;

  World(Calls calls, EnvironmentFactory factory, Environment.Task task, EpisodesConfig bounds) {
    this.calls = calls;
    this.factory = factory;
    this.task = task;
    this.bounds = bounds;
    left = nanos(bounds.episodeTimeLimitSeconds());
  }

  private static long nanos(double seconds) {
    return (long) (seconds * 1e9);
  }

  /** Makes it and begins. */
  CompletableFuture<Environment.@Nullable Observation> begin() {
    return call(
        "to begin",
        () -> {
          Environment made = factory.create(task);
          synchronized (this) {
            environment = made;
          }
          return made.reset();
        });
  }

  CompletableFuture<Environment.@Nullable Observation> step(Environment.Action action) {
    return call("a step", () -> present().step(action));
  }

  CompletableFuture<Environment.@Nullable Observation> cut(String unfinished) {
    return call("the judgement of a cut episode", () -> present().cut(unfinished));
  }

  private synchronized Environment present() {
    Environment made = environment;
    if (made == null) {
      throw new IllegalStateException("the factory " + factory.name() + " made no environment");
    }
    return made;
  }

  private <T extends @Nullable Object> CompletableFuture<T> call(String what, Callable<T> work) {
    long limit = Math.min(nanos(bounds.timeLimitSeconds()), left);
    if (limit <= 0) {
      return CompletableFuture.failedFuture(late(what));
    }
    CompletableFuture<T> answer = new CompletableFuture<>();
    FutureTask<@Nullable Void> body =
        new FutureTask<>(
            () -> {
              try {
                answer.complete(work.call());
              } catch (Throwable e) {
                answer.completeExceptionally(e);
              }
              return null;
            });
    synchronized (this) {
      running++;
    }
    long begun = System.nanoTime();
    calls.execute(
        () -> {
          body.run();
          ended();
        });
    return answer
        .copy()
        .orTimeout(limit, TimeUnit.NANOSECONDS)
        .handle(
            (value, failure) -> {
              left -= System.nanoTime() - begun;
              if (failure == null) {
                return value;
              }
              if (!answer.isDone()) {
                giveUp();
                body.cancel(true);
                throw new CompletionException(late(what));
              }
              throw failure instanceof CompletionException wrapped
                  ? wrapped
                  : new CompletionException(failure);
            });
  }

  private EpisodeException late(String what) {
    return new EpisodeException(
        TOO_LONG,
        String.format(
            Locale.ROOT,
            "%s of %s took longer than time-limit-seconds (%s), or all its calls longer than"
                + " episode-time-limit-seconds (%s)",
            what,
            task.episode(),
            bounds.timeLimitSeconds(),
            bounds.episodeTimeLimitSeconds()));
  }

  private synchronized void giveUp() {
    if (running > 0 && !givenUp) {
      givenUp = true;
      calls.hangs();
    }
  }

  private void ended() {
    boolean closes;
    synchronized (this) {
      running--;
      closes = over && running == 0;
      if (givenUp && running == 0) {
        givenUp = false;
        calls.ended();
      }
    }
    if (closes) {
      end();
    }
  }

  /**
   * Closes it, on a thread of its own.
   *
   * @return done when that is done, or at once where a call does not end, which closes it then
   */
  CompletableFuture<Void> close() {
    boolean busy;
    boolean waits;
    synchronized (this) {
      over = true;
      busy = running > 0;
      waits = givenUp;
    }
    if (!busy) {
      calls.execute(this::end);
    }
    return waits ? CompletableFuture.completedFuture(null) : closed;
  }

  private void end() {
    Environment made;
    synchronized (this) {
      made = environment;
      environment = null;
    }
    // A call that was given up, or that restored the flag, must not have closing interrupted.
    Thread.interrupted();
    try {
      if (made != null) {
        made.close();
      }
      closed.complete(null);
    } catch (RuntimeException | Error e) {
      closed.completeExceptionally(e);
    }
  }
}
