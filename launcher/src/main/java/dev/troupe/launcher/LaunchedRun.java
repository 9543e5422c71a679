package dev.troupe.launcher;

import dev.troupe.actors.cluster.Ensemble;
import dev.troupe.actors.pipeline.Pipeline;
import dev.troupe.actors.pipeline.PipelineConfig;
import dev.troupe.actors.pipeline.RunHandle;
import dev.troupe.actors.pipeline.RunRequest;
import dev.troupe.actors.trust.Authority;
import dev.troupe.actors.trust.Credentials;
import java.io.PrintWriter;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/**
 * A run on nodes that this process starts, and starts again when they end before it is over: a node
 * that answers prompts while the others go on, all of them where the run has failed for want of
 * one, from its last checkpoint. The nodes end with this.
 */
final class LaunchedRun implements RunSession.Starter, AutoCloseable {
  private static final Duration LONGEST_WAIT = Duration.ofSeconds(30);

  private final PipelineConfig config;
  private final NodePlan plan;
  private final int port;
  private final Authority authority;
  private final Duration validity;
  private final Credentials own;
  private final PrintWriter out;

  /** Is told of each driver's node, when others can join. */
  private final Consumer<Ensemble> onReady;

  private final AtomicInteger restarts = new AtomicInteger();
  private final int allowed;
  private @Nullable Children children;

  /** Whether a node has ended that the run cannot do without. Guarded by this. */
  private boolean missed;

  /**
   * @param port of the driver's own node; 0 for any free one
   * @param validity of nodes' certificates
   * @param own the driver's
   * @param allowed how often nodes may be started again
   */
  LaunchedRun(
      PipelineConfig config,
      NodePlan plan,
      int port,
      Authority authority,
      Duration validity,
      Credentials own,
      int allowed,
      PrintWriter out,
      Consumer<Ensemble> onReady) {
    this.config = config;
    this.plan = plan;
    this.port = port;
    this.authority = authority;
    this.validity = validity;
    this.own = own;
    this.allowed = allowed;
    this.out = out;
    this.onReady = onReady;
  }

  @Override
  public RunHandle start(RunRequest request, boolean resume) {
    synchronized (this) {
      missed = false;
    }
    Ensemble seed = Ensemble.seed(plan.driver(), port, plan.rollouts(config), own);
    RunRequest clustered = request.on(seed);
    RunHandle handle = resume ? Pipeline.resume(clustered) : Pipeline.start(clustered);
    onReady.accept(seed);
    plan.note(config).ifPresent(out::println);
    Children started = new Children(Path.of(config.output()).resolve("nodes"), restarts.get() > 0);
    children = started;
    for (NodePlan.Start node : plan.starts(config, seed.address())) {
      start(started, node, seed);
      if (plan.here()) {
        List<Long> pids = started.pids();
        out.println("node " + node.name() + ": process " + pids.get(pids.size() - 1));
      }
    }
    out.flush();
    return handle;
  }

  private void start(Children started, NodePlan.Start node, Ensemble seed) {
    HandOver said = new HandOver(config.output(), authority.issue(node.name(), validity));
    started.start(node.name(), node.command(), said, end -> ended(started, node, seed, said, end));
  }

  /** The run hears of it in here, and what then asks {@link #again} waits until this is done. */
  private synchronized void ended(
      Children started, NodePlan.Start node, Ensemble seed, HandOver said, Children.End end) {
    boolean waitedFor = seed.ended(said.credentials(), end.sentence());
    if (waitedFor) {
      // What does not come up does not come up the next time either, but for what was killed.
      missed = end.killed();
      return;
    }
    if (end.code() == ExitCode.OK) {
      // It left because the run is over.
      return;
    }
    out.println("\n" + end.sentence());
    out.flush();
    if (end.code() == ExitCode.USER_ERROR) {
      return;
    }
    if (!node.roles().equals(List.of(Ensemble.ROLLOUT))) {
      missed = true;
      return;
    }
    int count = restarts.incrementAndGet();
    if (count <= allowed) {
      Thread restart = new Thread(() -> startAgain(started, node, seed, count), "restart");
      restart.setDaemon(true);
      restart.start();
    }
  }

  private void startAgain(Children started, NodePlan.Start node, Ensemble seed, int count) {
    try {
      TimeUnit.MILLISECONDS.sleep(wait(count).toMillis());
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      return;
    }
    if (!started.isClosing()) {
      out.println("starting node " + node.name() + " again (" + count + " of " + allowed + ")");
      out.flush();
      start(started, node, seed);
    }
  }

  /** 1, 2, 4, … seconds. */
  private static Duration wait(int count) {
    Duration wait = Duration.ofSeconds(1L << Math.min(count - 1, 10));
    return wait.compareTo(LONGEST_WAIT) < 0 ? wait : LONGEST_WAIT;
  }

  @Override
  public Optional<String> again() throws InterruptedException {
    synchronized (this) {
      if (!missed) {
        return Optional.empty();
      }
    }
    int count = restarts.incrementAndGet();
    if (count > allowed) {
      return Optional.empty();
    }
    close();
    TimeUnit.MILLISECONDS.sleep(wait(count).toMillis());
    return Optional.of("starting the nodes again (" + count + " of " + allowed + ")");
  }

  @Override
  public void close() {
    Children started = children;
    if (started != null) {
      started.close();
    }
  }
}
