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
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.FutureTask;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.ThreadPoolExecutor;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicReference;

/**
 * A function of the user's, called in batches, each on a thread of its own: it may block, and one
 * that does not end holds up nobody. No lock is held around a call. However many batches there are,
 * {@value #MOST_CALLS} are under way at a time, those that hang included.
 */
final class FunctionScorer implements Scorer {
  static final String THREW = "the function threw";
  static final String TOO_LONG = "the function took too long";
  static final int MOST_CALLS = 32;

  /** Calls that were interrupted and go on all the same; after so many no more are begun. */
  private static final int MOST_HANGING = 4;

  /** What a call may take to end once it is interrupted. */
  private static final Duration TO_END = Duration.ofSeconds(2);

  private static final Duration IDLE = Duration.ofSeconds(10);

  /** A batch whose turn has not come. */
  private static final class Waiting {
    final List<Sample> samples;
    final CompletableFuture<List<Score>> answer = new CompletableFuture<>();

    Waiting(List<Sample> samples) {
      this.samples = samples;
    }
  }

  /** Of a call: it passes from one to the next, or ends. */
  private enum State {
    RUNNING,
    INTERRUPTED,
    HANGING,
    ENDED
  }

  private final String name;
  private final RewardFunction function;
  private final int batch;
  private final Duration limit;
  private final Duration toEnd;
  private final ExecutorService threads;
  private final Set<Waiting> waiting = ConcurrentHashMap.newKeySet();
  private final AtomicInteger hanging = new AtomicInteger();

  /**
   * @param batch most samples of a call, 0 for all at once
   * @param limit of a call, from its beginning
   */
  FunctionScorer(String name, RewardFunction function, int batch, Duration limit) {
    this(name, function, batch, limit, TO_END);
  }

  /**
   * @param toEnd what a call may take to end once it is interrupted
   */
  FunctionScorer(String name, RewardFunction function, int batch, Duration limit, Duration toEnd) {
    this.name = name;
    this.function = function;
    this.batch = batch;
    this.limit = limit;
    this.toEnd = toEnd;
    ThreadPoolExecutor pool =
        new ThreadPoolExecutor(
            MOST_CALLS,
            MOST_CALLS,
            IDLE.toMillis(),
            TimeUnit.MILLISECONDS,
            new LinkedBlockingQueue<>(),
            task -> Threads.daemon(task, name));
    pool.allowCoreThreadTimeOut(true);
    threads = pool;
  }

  @Override
  public String name() {
    return name;
  }

  @Override
  public CompletionStage<List<Score>> score(List<Rollout> rollouts) {
    return Batches.each(rollouts, batch, part -> call(part.stream().map(Sample::of).toList()));
  }

  @Override
  public boolean scoresEachAlone() {
    return batch > 0;
  }

  private CompletableFuture<List<Score>> call(List<Sample> samples) {
    Waiting call = new Waiting(samples);
    waiting.add(call);
    threads.execute(() -> begin(call));
    refuseWhereItHangs();
    return call.answer;
  }

  /** In a thread of its own. */
  private void begin(Waiting call) {
    if (!waiting.remove(call)) {
      return; // refused
    }
    CompletableFuture<List<Score>> said = new CompletableFuture<>();
    FutureTask<Void> task =
        new FutureTask<>(
            () -> {
              try {
                said.complete(scored(call.samples));
              } catch (Throwable e) {
                said.completeExceptionally(e);
              }
              return null;
            });
    AtomicReference<State> state = new AtomicReference<>(State.RUNNING);
    CompletableFuture<List<Score>> unused =
        said.copy()
            .completeOnTimeout(late(call.samples), limit.toNanos(), TimeUnit.NANOSECONDS)
            .whenComplete(
                (scores, failure) -> {
                  if (!said.isDone() && state.compareAndSet(State.RUNNING, State.INTERRUPTED)) {
                    task.cancel(true);
                    CompletableFuture.delayedExecutor(toEnd.toNanos(), TimeUnit.NANOSECONDS)
                        .execute(() -> hangs(state));
                  }
                  if (failure == null) {
                    call.answer.complete(scores);
                  } else {
                    call.answer.completeExceptionally(failure);
                  }
                });
    task.run();
    if (state.getAndSet(State.ENDED) == State.HANGING) {
      hanging.decrementAndGet();
    }
  }

  private void hangs(AtomicReference<State> state) {
    if (state.compareAndSet(State.INTERRUPTED, State.HANGING)) {
      hanging.incrementAndGet();
      refuseWhereItHangs();
    }
  }

  /** Batches that wait for a call that will not end would wait for ever. */
  private void refuseWhereItHangs() {
    if (hanging.get() < MOST_HANGING) {
      return;
    }
    refuse(
        new ScorerException(
            name
                + ": "
                + MOST_HANGING
                + " calls of the function took longer than "
                + Threads.seconds(limit)
                + " (time-limit-seconds), were interrupted and still run: let the function end"
                + " when its thread is interrupted, or give it more time"));
  }

  private void refuse(ScorerException why) {
    for (Waiting call : List.copyOf(waiting)) {
      if (waiting.remove(call)) {
        call.answer.completeExceptionally(why);
      }
    }
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
    refuse(new ScorerException(name + ": the run was stopped"));
  }
}
