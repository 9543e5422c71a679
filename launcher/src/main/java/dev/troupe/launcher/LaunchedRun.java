package dev.troupe.launcher;

import dev.troupe.actors.cluster.Ensemble;
import dev.troupe.actors.pipeline.Pipeline;
import dev.troupe.actors.pipeline.PipelineConfig;
import dev.troupe.actors.pipeline.RunHandle;
import dev.troupe.actors.pipeline.RunRequest;
import dev.troupe.actors.trust.Authority;
import dev.troupe.actors.trust.Credentials;
import dev.troupe.protocol.event.EventLogException;
import java.io.PrintWriter;
import java.nio.file.Path;
import java.time.Duration;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.locks.LockSupport;
import java.util.function.Consumer;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/**
 * A run on nodes that this process starts, and starts again when they end before it is over, or are
 * given up as nothing is heard of them: a node that answers prompts while the others go on, all of
 * them where the run has failed for want of one, from its last checkpoint. The nodes end with this.
 */
final class LaunchedRun implements RunSession.Starter, AutoCloseable {
  /** Of a driver that was cut off. */
  private static final Duration LONGEST_END = Duration.ofMinutes(2);

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
  private final boolean again;
  private @Nullable Children children;
  private volatile @Nullable RunHandle handle;

  /** Nodes that are there already, in the place of those that would be waited for. */
  private @Nullable Ensemble gathered;

  /** Whether a node has ended that the run cannot do without. Guarded by this. */
  private boolean missed;

  /** Nodes by their credentials. Guarded by this. */
  private final Map<String, Node> nodes = new HashMap<>();

  private static final class Node {
    private final NodePlan.Start plan;
    private final Children.Child child;
    private Ensemble.Presence presence = Ensemble.Presence.HEARD;

    Node(NodePlan.Start plan, Children.Child child) {
      this.plan = plan;
      this.child = child;
    }
  }

  /**
   * @param port of the driver's own node; 0 for any free one
   * @param validity of nodes' certificates
   * @param own the driver's
   * @param allowed how often nodes may be started again
   * @param again whether an earlier driver had nodes, whose logs go on
   */
  LaunchedRun(
      PipelineConfig config,
      NodePlan plan,
      int port,
      Authority authority,
      Duration validity,
      Credentials own,
      int allowed,
      boolean again,
      PrintWriter out,
      Consumer<Ensemble> onReady) {
    this.config = config;
    this.plan = plan;
    this.port = port;
    this.authority = authority;
    this.validity = validity;
    this.own = own;
    this.allowed = allowed;
    this.again = again;
    this.out = out;
    this.onReady = onReady;
  }

  @Override
  public RunHandle start(RunRequest request, boolean resume) {
    synchronized (this) {
      missed = false;
      nodes.clear();
    }
    Ensemble there = gathered;
    gathered = null;
    Ensemble seed =
        there == null ? Ensemble.seed(plan.driver(), port, plan.rollouts(config), own) : there;
    if (allowed > 0 && !plan.starts(config, seed.address()).isEmpty()) {
      seed.replaces(Duration.ofSeconds(config.cluster().joinTimeoutSeconds()));
    }
    seed.recoversIf(this::recovers);
    RunRequest clustered = request.on(seed);
    RunHandle handle =
        there == null ? begin(clustered, resume) : onceItIsFree(() -> begin(clustered, resume));
    onReady.accept(seed);
    plan.note(config).ifPresent(out::println);
    Children started =
        new Children(Path.of(config.output()).resolve("nodes"), again || restarts.get() > 0);
    children = started;
    seed.watch((credentials, presence) -> told(started, credentials, presence));
    for (NodePlan.Start node : plan.starts(config, seed.address())) {
      start(started, node, seed);
      if (plan.here()) {
        List<Long> pids = started.pids();
        out.println("node " + node.name() + ": process " + pids.get(pids.size() - 1));
      }
    }
    out.flush();
    this.handle = handle;
    return handle;
  }

  private static RunHandle begin(RunRequest request, boolean resume) {
    return resume ? Pipeline.resume(request) : Pipeline.start(request);
  }

  /** A driver that was cut off from its nodes ends when it finds that out. */
  private static RunHandle onceItIsFree(Supplier<RunHandle> begin) {
    long end = System.nanoTime() + LONGEST_END.toNanos();
    while (true) {
      try {
        return begin.get();
      } catch (EventLogException e) {
        if (System.nanoTime() > end) {
          throw e;
        }
        LockSupport.parkNanos(Duration.ofSeconds(1).toNanos());
      }
    }
  }

  /** Nodes that have joined a driver that is to be this run's. */
  void on(Ensemble nodes) {
    gathered = nodes;
  }

  private synchronized void start(Children started, NodePlan.Start node, Ensemble seed) {
    HandOver said = new HandOver(config.output(), authority.issue(node.name(), validity));
    Children.Child child =
        started.start(
            node.name(), node.command(), said, end -> ended(started, node, seed, said, end));
    nodes.put(said.credentials().id(), new Node(node, child));
  }

  /**
   * A process that is stopped, hangs or is cut off ends only when it is made to. Nothing of it may
   * go on beside the one in its place.
   */
  private synchronized void told(Children started, String credentials, Ensemble.Presence presence) {
    Node node = nodes.get(credentials);
    if (started.isClosing() || node == null || !node.child.process().isAlive()) {
      return;
    }
    node.presence = presence;
    String name = "node " + node.plan.name();
    switch (presence) {
      case SILENT -> {
        if (plan.here()) {
          node.child.dumpThreads();
          say(name + " is silent; what its threads do is in " + node.child.log());
        } else {
          say(name + " is silent");
        }
      }
      case HEARD -> say(name + " is heard of again");
      case LOST -> {
        say(name + " is given up and ended, as nothing was heard of it");
        node.child.kill();
      }
    }
  }

  /** With the run's events, so that its page has it too; they are printed. */
  private void say(String line) {
    RunHandle told = handle;
    if (told == null || !told.notice(line)) {
      out.println("\n" + line);
      out.flush();
    }
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
    say(end.sentence());
    if (end.code() == ExitCode.USER_ERROR) {
      return;
    }
    if (!node.onlyAnswers()) {
      missed = true;
      return;
    }
    Thread restart = new Thread(() -> startAgain(started, node, seed), "restart");
    restart.setDaemon(true);
    restart.start();
  }

  private void startAgain(Children started, NodePlan.Start node, Ensemble seed) {
    try {
      TimeUnit.MILLISECONDS.sleep(Supervisor.wait(restarts.get() + 1).toMillis());
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      return;
    }
    synchronized (this) {
      // Where all are started again, it is with them.
      if (started.isClosing() || missed || restarts.incrementAndGet() > allowed) {
        return;
      }
      say("starting node " + node.name() + " again (" + restarts.get() + " of " + allowed + ")");
      start(started, node, seed);
    }
  }

  /** Nodes that the run cannot do without and that are as good as lost. */
  private synchronized List<Node> gone() {
    return nodes.values().stream()
        .filter(node -> !node.plan.onlyAnswers())
        .filter(node -> node.presence != Ensemble.Presence.HEARD)
        .toList();
  }

  /** Whether {@link #again} would have it taken up again. */
  private synchronized boolean recovers() {
    return (missed || !gone().isEmpty()) && restarts.get() < allowed;
  }

  @Override
  public Optional<String> again() throws InterruptedException {
    int count;
    synchronized (this) {
      List<Node> gone = gone();
      if (!missed && gone.isEmpty()) {
        return Optional.empty();
      }
      gone.forEach(node -> node.child.kill());
      count = restarts.incrementAndGet();
      if (count > allowed) {
        return Optional.empty();
      }
      missed = true;
    }
    close();
    TimeUnit.MILLISECONDS.sleep(Supervisor.wait(count).toMillis());
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
