package dev.troupe.rewards;

import dev.troupe.protocol.data.Rollout;
import dev.troupe.rlhf.port.RewardFunction;
import dev.troupe.rlhf.port.Sample;
import dev.troupe.rlhf.port.Score;
import dev.troupe.rlhf.port.Scorer;
import dev.troupe.rlhf.port.ScorerException;
import dev.troupe.rlhf.reward.Scores;
import java.time.Duration;
import java.util.Collections;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.FutureTask;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;

/**
 * A function of the user's, called in batches, each on a thread of its own: it may block, and one
 * that does not end holds up nobody. No lock is held around a call.
 */
final class FunctionScorer implements Scorer {
  static final String THREW = "the function threw";
  static final String TOO_LONG = "the function took too long";

  /** Calls that were interrupted and go on all the same; after so many no more are begun. */
  private static final int MOST_HANGING = 4;

  private final String name;
  private final RewardFunction function;
  private final int batch;
  private final Duration limit;
  private final ExecutorService threads;
  private final AtomicInteger hanging = new AtomicInteger();

  /**
   * @param batch most samples of a call, 0 for all at once
   * @param limit of a call
   */
  FunctionScorer(String name, RewardFunction function, int batch, Duration limit) {
    this.name = name;
    this.function = function;
    this.batch = batch;
    this.limit = limit;
    threads = Executors.newCachedThreadPool(task -> Threads.daemon(task, name));
  }

  @Override
  public String name() {
    return name;
  }

  @Override
  public CompletionStage<List<Score>> score(List<Rollout> rollouts) {
    return Batches.each(rollouts, batch, part -> call(part.stream().map(Sample::of).toList()));
  }

  private CompletableFuture<List<Score>> call(List<Sample> samples) {
    if (hanging.get() >= MOST_HANGING) {
      return CompletableFuture.failedFuture(
          new ScorerException(
              name
                  + ": "
                  + MOST_HANGING
                  + " calls of the function took longer than "
                  + Threads.seconds(limit)
                  + " (time-limit-seconds), were interrupted and still run: let the function end"
                  + " when its thread is interrupted, or give it more time"));
    }
    CompletableFuture<List<Score>> answer = new CompletableFuture<>();
    FutureTask<Void> task =
        new FutureTask<>(
            () -> {
              try {
                answer.complete(scored(samples));
              } catch (Throwable e) {
                answer.completeExceptionally(e);
              }
              return null;
            });
    AtomicInteger state = new AtomicInteger(); // 1: hangs, 2: has ended
    threads.execute(
        () -> {
          task.run();
          if (state.getAndSet(2) == 1) {
            hanging.decrementAndGet();
          }
        });
    return answer
        .copy()
        .completeOnTimeout(late(samples), limit.toNanos(), TimeUnit.NANOSECONDS)
        .whenComplete(
            (scores, failure) -> {
              if (!answer.isDone() && state.compareAndSet(0, 1)) {
                hanging.incrementAndGet();
                task.cancel(true);
              }
            });
  }

  private List<Score> late(List<Sample> samples) {
    return Collections.nCopies(
        samples.size(),
        new Score.Unscored(
            TOO_LONG,
            "longer than "
                + Threads.seconds(limit)
                + " (time-limit-seconds) for "
                + samples.size()
                + " samples"));
  }

  /** What it says of them; a function that throws scores none of them. */
  private List<Score> scored(List<Sample> samples) {
    List<Score> scores;
    try {
      scores = function.score(samples);
    } catch (Exception | LinkageError | StackOverflowError | AssertionError e) {
      return Collections.nCopies(samples.size(), new Score.Unscored(THREW, e.toString()));
    }
    return Scores.checked(name, scores, samples.size());
  }

  @Override
  public void close() {
    threads.shutdownNow();
  }
}
