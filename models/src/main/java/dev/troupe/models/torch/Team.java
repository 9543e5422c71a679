package dev.troupe.models.torch;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Queue;
import java.util.concurrent.Callable;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.FutureTask;
import java.util.function.IntFunction;

/**
 * Lanes that work on one thing together. One of them leads: it does the work, and the others take
 * parts of each operator of {@link NativeLibrary} that it calls. Nothing waits for a lane that is
 * busy otherwise or that the system has stopped: then the leader does more itself. Who does what
 * changes no bits.
 */
public final class Team {
  private static final String CALLS =
      """
      def open(self, lanes: int) -> int:
        return ops.troupe.team_open(lanes)

      def lead(self, team: int, leads: bool) -> int:
        return ops.troupe.team_lead(team, leads)

      def assist(self, team: int, lane: int) -> int:
        return ops.troupe.team_assist(team, lane)

      def call_away(self, team: int, away: bool) -> int:
        return ops.troupe.team_call_away(team, away)

      def close(self, team: int) -> int:
        return ops.troupe.team_close(team)
      """;

  private static final class Kernels {
    static final KernelModule MODULE = KernelModule.compile("team", CALLS, Map.of());
  }

  private final int lanes;
  private final long number;
  private final Queue<Runnable> pieces = new ConcurrentLinkedQueue<>();

  // Guarded by this.
  private int assisting;
  private boolean ended;

  private Team(int lanes, long number) {
    this.lanes = lanes;
    this.number = number;
  }

  /** A lane by itself. */
  public static Team alone() {
    return new Team(1, 0);
  }

  /** Of lanes that {@link #assist}; of more than one wants the library to be loaded. */
  static Team of(int lanes) {
    if (lanes == 1) {
      return alone();
    }
    try (Handle count = Handle.of((long) lanes);
        Handle number = Kernels.MODULE.infer("open", count)) {
      return new Team(lanes, number.asLong());
    }
  }

  /** How many lanes may be at work. */
  public int lanes() {
    return lanes;
  }

  /**
   * Does work on this thread, which leads from then on; when it has ended, no lane assists any
   * more.
   */
  <T> T lead(Callable<T> work) throws Exception {
    if (lanes == 1) {
      return work.call();
    }
    try {
      call("lead", true);
      try {
        return work.call();
      } finally {
        call("lead", false);
      }
    } finally {
      end(); // whatever failed: those that assist wait for it
    }
  }

  /**
   * Helps until the work has ended; at once, if it has already.
   *
   * @param lane its number in the team, from 1
   */
  void assist(int lane) {
    if (!begins()) {
      return;
    }
    try (Handle team = Handle.of(number);
        Handle which = Handle.of((long) lane)) {
      while (!hasEnded()) {
        Runnable piece = pieces.poll();
        if (piece != null) {
          piece.run();
        } else {
          // Comes back when it is called away, and now and then: a JVM that ends waits for this.
          Kernels.MODULE.infer("assist", team, which).close();
        }
      }
    } finally {
      leaves();
    }
  }

  /**
   * Runs pieces of work that are more than an operator, on whichever lanes are free, and waits for
   * all. To be called by the leader.
   *
   * @return the results in order
   */
  public <T> List<T> map(int items, IntFunction<T> work) {
    List<FutureTask<T>> tasks = new ArrayList<>();
    for (int i = 0; i < items; i++) {
      int item = i;
      tasks.add(new FutureTask<>(() -> work.apply(item)));
    }
    pieces.addAll(tasks);
    boolean shared = lanes > 1 && items > 1;
    if (shared) {
      call("call_away", true);
    }
    for (Runnable own = pieces.poll(); own != null; own = pieces.poll()) {
      own.run();
    }
    if (shared) {
      call("call_away", false);
    }
    return Lanes.all(tasks);
  }

  private synchronized boolean begins() {
    assisting += ended ? 0 : 1;
    return !ended;
  }

  private synchronized boolean hasEnded() {
    return ended;
  }

  private synchronized void leaves() {
    assisting--;
    notifyAll();
  }

  private void end() {
    synchronized (this) {
      ended = true;
    }
    call("call_away", true);
    boolean interrupted = false;
    synchronized (this) {
      while (assisting > 0) {
        try {
          wait();
        } catch (InterruptedException e) {
          interrupted = true;
        }
      }
    }
    if (interrupted) {
      Thread.currentThread().interrupt();
    }
    try (Handle team = Handle.of(number)) {
      Kernels.MODULE.infer("close", team).close();
    }
  }

  private void call(String method, boolean on) {
    try (Handle team = Handle.of(number);
        Handle flag = Handle.of(on)) {
      Kernels.MODULE.infer(method, team, flag).close();
    }
  }
}
