package dev.troupe.models.torch;

import ai.djl.pytorch.jni.JniUtils;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.BiFunction;
import java.util.function.IntConsumer;
import java.util.function.IntFunction;

/**
 * The threads that torch runs on: one per core, each with one intra-op thread, no graph optimiser,
 * grad mode off. A CUDA device has one, as it does one kernel after another anyway. Work is given
 * to a lane by number, so that the same work meets the same order of operations in every run.
 */
public final class Lanes implements AutoCloseable {
  private static final class Shared {
    static final Lanes LANES = new Lanes(Integer.getInteger("troupe.lanes", on(Torch.device())));
  }

  private final List<ExecutorService> threads = new ArrayList<>();

  public Lanes(int count) {
    if (count < 1) {
      throw new IllegalArgumentException("lanes: " + count + ", must be at least 1");
    }
    Torch.start();
    for (int i = 0; i < count; i++) {
      int number = i;
      threads.add(
          Executors.newSingleThreadExecutor(
              task -> {
                Thread thread =
                    new Thread(
                        () -> {
                          JniUtils.setNumThreads(1);
                          JniUtils.setGraphExecutorOptimize(false);
                          JniUtils.setGradMode(false);
                          task.run();
                        },
                        "torch-lane-" + number);
                thread.setDaemon(true);
                return thread;
              }));
    }
  }

  /** How many lanes keep a device busy. */
  public static int on(Device device) {
    return device.isCuda() ? 1 : Runtime.getRuntime().availableProcessors();
  }

  /** The lanes of this JVM: {@link #on}, or the system property {@code troupe.lanes}. */
  public static Lanes shared() {
    return Shared.LANES;
  }

  public int count() {
    return threads.size();
  }

  /** Runs work on lane 0 and waits. */
  public <T> T run(Callable<T> work) {
    return await(threads.get(0).submit(work));
  }

  /**
   * Runs work on lane 0 with all cores inside each operation, and waits: for work that cannot be
   * split, while the other lanes have none. Always the same thread, as each one that enters
   * OpenMP's parallel regions brings a pool of its own, which slow one another.
   */
  public <T> T wide(Callable<T> work) {
    return run(
        () -> {
          JniUtils.setNumThreads(count());
          try {
            return work.call();
          } finally {
            JniUtils.setNumThreads(1);
          }
        });
  }

  /**
   * Runs {@code items} pieces of work, piece i on lane i mod count, and waits for all.
   *
   * @return the results in order
   */
  public <T> List<T> map(int items, IntFunction<T> work) {
    List<Future<T>> futures = new ArrayList<>();
    for (int i = 0; i < items; i++) {
      int item = i;
      futures.add(threads.get(i % threads.size()).submit(() -> work.apply(item)));
    }
    return all(futures);
  }

  /**
   * Splits the lanes into teams, and runs one piece of work on each.
   *
   * @param teams from 1 to the number of lanes; fewer want {@link NativeLibrary} to be loaded
   * @param work of the team with this number
   * @return the results in order
   */
  public <T> List<T> inTeams(int teams, BiFunction<Team, Integer, T> work) {
    List<Future<T>> futures = new ArrayList<>();
    for (int i = 0; i < teams; i++) {
      int number = i;
      int first = first(i, teams);
      int size = first(i + 1, teams) - first;
      futures.add(
          threads
              .get(first)
              .submit(
                  () -> {
                    Team team = Team.of(size);
                    for (int lane = 1; lane < size; lane++) {
                      int other = lane;
                      threads.get(first + lane).execute(() -> team.assist(other));
                    }
                    return team.lead(() -> work.apply(team, number));
                  }));
    }
    return all(futures);
  }

  private int first(int team, int teams) {
    return (int) ((long) threads.size() * team / teams);
  }

  /** Waits for all of them, and then throws what one of them threw. */
  static <T> List<T> all(List<? extends Future<T>> futures) {
    List<T> results = new ArrayList<>();
    RuntimeException failure = null;
    for (Future<T> future : futures) {
      try {
        results.add(await(future));
      } catch (RuntimeException e) {
        // All pieces must end before the caller frees what they use.
        failure = failure == null ? e : failure;
      }
    }
    if (failure != null) {
      throw failure;
    }
    return results;
  }

  /**
   * Runs pieces of work, each on the lane that is free next, in the order of their numbers, and
   * waits for all. After one that fails no other is begun. For work whose result does not depend on
   * the lane, nor on what ran there before.
   *
   * @param from number of the first
   * @param to behind the last
   */
  public void spread(int from, int to, IntConsumer work) {
    AtomicInteger next = new AtomicInteger(from);
    map(
        Math.min(count(), to - from),
        lane -> {
          for (int i = next.getAndIncrement(); i < to; i = next.getAndIncrement()) {
            try {
              work.accept(i);
            } catch (RuntimeException | Error e) {
              next.set(to);
              throw e;
            }
          }
          return lane;
        });
  }

  private static <T> T await(Future<T> future) {
    boolean interrupted = false;
    try {
      while (true) {
        try {
          return future.get();
        } catch (InterruptedException e) {
          // Native work cannot be interrupted, and its inputs must stay alive until it ends.
          interrupted = true;
        } catch (ExecutionException e) {
          if (e.getCause() instanceof RuntimeException cause) {
            throw cause;
          }
          throw new IllegalStateException(e.getCause());
        }
      }
    } finally {
      if (interrupted) {
        Thread.currentThread().interrupt();
      }
    }
  }

  @Override
  public void close() {
    threads.forEach(ExecutorService::shutdown);
    for (ExecutorService thread : threads) {
      try {
        thread.awaitTermination(10, TimeUnit.SECONDS);
      } catch (InterruptedException e) {
        Thread.currentThread().interrupt();
      }
    }
  }
}
