package dev.troupe.actors.cluster;

import com.typesafe.config.Config;
import com.typesafe.config.ConfigFactory;
import com.typesafe.config.ConfigValueFactory;
import dev.troupe.actors.role.ActorCast;
import dev.troupe.actors.role.Exchanging;
import dev.troupe.actors.role.Groups;
import dev.troupe.actors.role.NodeActor;
import dev.troupe.actors.role.Placement;
import dev.troupe.actors.role.RunFiles;
import dev.troupe.actors.trust.Credentials;
import dev.troupe.actors.trust.Refusals;
import dev.troupe.actors.trust.RunTls;
import dev.troupe.engine.RoleEngine;
import dev.troupe.protocol.event.RunEvent;
import dev.troupe.protocol.message.Node;
import dev.troupe.rlhf.port.Cast;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.BooleanSupplier;
import java.util.function.Consumer;
import java.util.function.Function;
import java.util.function.Predicate;
import org.apache.pekko.actor.Address;
import org.apache.pekko.actor.BootstrapSetup;
import org.apache.pekko.actor.setup.ActorSystemSetup;
import org.apache.pekko.actor.typed.ActorRef;
import org.apache.pekko.actor.typed.ActorSystem;
import org.apache.pekko.actor.typed.Props;
import org.apache.pekko.actor.typed.javadsl.AskPattern;
import org.apache.pekko.actor.typed.javadsl.Behaviors;
import org.apache.pekko.cluster.Member;
import org.apache.pekko.cluster.MemberStatus;
import org.apache.pekko.cluster.typed.Cluster;
import org.apache.pekko.cluster.typed.Down;
import org.apache.pekko.cluster.typed.JoinSeedNodes;
import org.apache.pekko.cluster.typed.SelfUp;
import org.apache.pekko.cluster.typed.Subscribe;
import org.jspecify.annotations.Nullable;

/**
 * The actor system of this JVM, alone or as a member of a cluster. The guardian is the JVM's {@link
 * NodeActor}.
 *
 * <p>A run is driven by one JVM, the seed. Alone, it plays every role itself; in a cluster it waits
 * for the nodes that its placement names.
 */
public final class Ensemble implements AutoCloseable {
  /** The node role of nodes that answer prompts with the policy's weights. */
  public static final String ROLLOUT = "rollout";

  /** The node role of those that may come to drive the run. */
  private static final String STAND_BY = "stand-by";

  /** What stands before a certificate's id among the cluster's own roles of a member. */
  static final String CERTIFICATE = "certificate-";

  private static final String SYSTEM = "troupe";
  private static final Duration SHORT = Duration.ofMinutes(3);
  private static final Duration FAREWELL = Duration.ofSeconds(5);
  private static final Duration LAST_WORD = Duration.ofSeconds(2);

  private final ActorSystem<Node.Command> system;
  private final boolean clustered;
  private final Refusals refusals;

  /** How many answer the policy's prompts; 0 when it does so itself. */
  private final int rolloutWorkers;

  /** The nodes, when all have joined; fails when one ends before that. */
  private final CompletableFuture<Discovery.Found> found = new CompletableFuture<>();

  private @Nullable ActorRef<Discovery.Command> searcher;

  /** How long lost rollout workers are waited for; zero where nobody starts them again. */
  private volatile Duration replacement = Duration.ZERO;

  /** Whether the run would be taken up again if it failed now. */
  private volatile BooleanSupplier recovery = () -> false;

  private final Ending ending;

  /** The nodes of the run, told to leave when it is over. */
  private final Set<ActorRef<Node.Command>> joined = ConcurrentHashMap.newKeySet();

  /** How many nodes were sent away: a node's own name may have letters that an actor's may not. */
  private final AtomicInteger dismissals = new AtomicInteger();

  private Ensemble(
      ActorSystem<Node.Command> system,
      boolean clustered,
      Refusals refusals,
      int rolloutWorkers,
      Ending ending) {
    this.system = system;
    this.ending = ending;
    ending.of(system);
    this.clustered = clustered;
    this.refusals = refusals;
    this.rolloutWorkers = rolloutWorkers;
  }

  /** This JVM alone; no sockets. */
  public static Ensemble local(RoleEngine.Factory engines) {
    return local(engines, 0);
  }

  /**
   * As {@link #local(RoleEngine.Factory)}, with engines of their own for prompts, side by side: of
   * use where they wait for something other than this JVM's cores.
   */
  public static Ensemble local(RoleEngine.Factory engines, int rolloutWorkers) {
    Config config =
        ConfigFactory.parseString("pekko.actor.provider = local")
            .withFallback(ConfigFactory.parseResources("troupe-actors.conf"))
            .withFallback(ConfigFactory.load());
    Refusals none = new Refusals();
    Ending ending = new Ending();
    return new Ensemble(
        ActorSystem.create(
            NodeActor.create(
                "local",
                List.of(),
                rolloutWorkers,
                Node.PROTOCOL_VERSION,
                engines,
                RunFiles.ANYWHERE,
                Groups.NONE,
                none,
                ending::ask,
                ending::dismiss,
                Optional.empty()),
            SYSTEM,
            config),
        false,
        none,
        rolloutWorkers,
        ending);
  }

  /**
   * The first node of a cluster, which drives the run and plays no role.
   *
   * @param host to bind and to be reached at
   * @param port 0 for any free one
   * @param credentials of this JVM; nodes need some of the same authority
   */
  public static Ensemble seed(String host, int port, Credentials credentials) {
    return seed(host, port, 0, credentials);
  }

  /**
   * As {@link #seed(String, int, Credentials)}, for a run whose prompts are answered by others than
   * the policy.
   *
   * @param rolloutWorkers how many to wait for, on nodes of the role {@value #ROLLOUT}; 0 when the
   *     policy's node answers the prompts
   */
  public static Ensemble seed(String host, int port, int rolloutWorkers, Credentials credentials) {
    Ensemble ensemble =
        clustered(
            host,
            port,
            List.of("seed"),
            0,
            Node.PROTOCOL_VERSION,
            new Place(credentials, RunFiles.NOWHERE),
            null,
            rolloutWorkers);
    Cluster cluster = Cluster.get(ensemble.system);
    ensemble.join(List.of(cluster.selfMember().address()), "itself", SHORT);
    return ensemble;
  }

  /**
   * A member that plays no role, until the run is over or its driver is lost.
   *
   * @param driver host:port of the run's seed
   * @throws ClusterException when it cannot be reached in time
   */
  public static Ensemble standBy(
      String host, int port, String driver, Duration timeout, Credentials credentials) {
    return node(
        host,
        port,
        driver,
        List.of(STAND_BY),
        0,
        timeout,
        new Place(credentials, RunFiles.NOWHERE),
        new NoEngines());
  }

  /**
   * What a node is given by whoever starts it, and believes no message about.
   *
   * @param credentials of the same authority as the seed's
   * @param files where its roles may write
   */
  public record Place(Credentials credentials, RunFiles files) {}

  /**
   * A further node.
   *
   * @param seed host:port of the first; several, with commas, where it may be one of them
   * @param roles the node roles that placements name
   * @throws ClusterException when the seed cannot be reached in time
   */
  public static Ensemble node(
      String host,
      int port,
      String seed,
      List<String> roles,
      Duration timeout,
      Place place,
      RoleEngine.Factory engines) {
    return node(host, port, seed, roles, roles.contains(ROLLOUT) ? 1 : 0, timeout, place, engines);
  }

  /** As above, with room for several roles that answer prompts side by side. */
  public static Ensemble node(
      String host,
      int port,
      String seed,
      List<String> roles,
      int rolloutWorkers,
      Duration timeout,
      Place place,
      RoleEngine.Factory engines) {
    return node(
        host, port, seed, roles, rolloutWorkers, timeout, Node.PROTOCOL_VERSION, place, engines);
  }

  static Ensemble node(
      String host,
      int port,
      String seed,
      List<String> roles,
      int rolloutWorkers,
      Duration timeout,
      int protocolVersion,
      Place place,
      RoleEngine.Factory engines) {
    List<Address> seeds = Arrays.stream(seed.split(",", -1)).map(Ensemble::seedAt).toList();
    Ensemble ensemble =
        clustered(host, port, roles, rolloutWorkers, protocolVersion, place, engines, 0);
    ensemble.join(seeds, seed, timeout);
    return ensemble;
  }

  private static Address seedAt(String seed) {
    int colon = seed.lastIndexOf(':');
    if (colon < 1 || !seed.substring(colon + 1).matches("\\d{1,5}")) {
      throw new ClusterException(
          "the seed node must be HOST:PORT, found '" + seed + "'; for example 127.0.0.1:7355");
    }
    return new Address(
        "pekko", SYSTEM, seed.substring(0, colon), Integer.parseInt(seed.substring(colon + 1)));
  }

  private static Ensemble clustered(
      String host,
      int port,
      List<String> roles,
      int room,
      int protocolVersion,
      Place place,
      RoleEngine.@Nullable Factory engines,
      int rolloutWorkers) {
    List<String> memberRoles = new ArrayList<>(roles);
    memberRoles.add(CERTIFICATE + place.credentials().id());
    Config config =
        ConfigFactory.parseMap(
                Map.of(
                    "pekko.actor.provider",
                    "cluster",
                    "pekko.loglevel",
                    "DEBUG",
                    "pekko.logging-filter",
                    WarningsAndStreams.class.getName(),
                    "pekko.remote.artery.canonical.hostname",
                    host,
                    "pekko.remote.artery.canonical.port",
                    port))
            .withValue("pekko.cluster.roles", ConfigValueFactory.fromIterable(memberRoles))
            .withFallback(ConfigFactory.parseResources("troupe-actors.conf"))
            .withFallback(ConfigFactory.load());
    RoleEngine.Factory factory = engines == null ? new NoEngines() : engines;
    Refusals refusals = new Refusals();
    Ending ending = new Ending();
    ActorSystem<Node.Command> system;
    try {
      system =
          ActorSystem.create(
              Behaviors.setup(
                  context ->
                      NodeActor.create(
                          Cluster.get(context.getSystem())
                              .selfMember()
                              .address()
                              .hostPort()
                              .replaceFirst(".*@", ""),
                          engines == null ? List.of() : roles,
                          room,
                          protocolVersion,
                          factory,
                          place.files(),
                          Groups.of(host, place.credentials()),
                          refusals,
                          ending::ask,
                          ending::dismiss,
                          Optional.of(
                              what -> {
                                ending.hang(what);
                                context.getSystem().terminate();
                              }))),
              SYSTEM,
              ActorSystemSetup.create(
                  BootstrapSetup.create(config), RunTls.setup(place.credentials(), refusals)));
    } catch (org.apache.pekko.remote.RemoteTransportException e) {
      throw new ClusterException(
          "cannot listen on "
              + host
              + ":"
              + port
              + ": "
              + e.getMessage()
              + ". Is the port in use? Choose another one, or 0 for any free one");
    }
    refusals.hear(system);
    return new Ensemble(system, true, refusals, rolloutWorkers, ending);
  }

  private void join(List<Address> seeds, String seed, Duration timeout) {
    CompletableFuture<Void> up = new CompletableFuture<>();
    Cluster cluster = Cluster.get(system);
    ActorRef<SelfUp> waiter =
        system.systemActorOf(
            Behaviors.receive(SelfUp.class)
                .onAnyMessage(
                    message -> {
                      up.complete(null);
                      return Behaviors.stopped();
                    })
                .build(),
            "wait-for-up",
            Props.empty());
    cluster.subscriptions().tell(Subscribe.create(waiter, SelfUp.class));
    // A node that is sent away at once never gets to be up.
    failsOnEnd(up);
    cluster.manager().tell(new JoinSeedNodes(seeds));
    try {
      up.get(timeout.toMillis(), TimeUnit.MILLISECONDS);
    } catch (TimeoutException e) {
      close();
      if (refusals.first().isPresent()) {
        throw new ClusterException(
            "cannot join the run of "
                + seed
                + " within "
                + timeout.toSeconds()
                + " s: "
                + refusals.first().get()
                + ". Give this node certificates of that run's authority");
      }
      throw new ClusterException(
          "cannot reach the seed node "
              + seed
              + " after "
              + timeout.toSeconds()
              + " s. Is a run started there, is the port open, and is the host named as that node names itself?");
    } catch (ExecutionException e) {
      throw e.getCause() instanceof RuntimeException cause
          ? cause
          : new IllegalStateException(e.getCause());
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      close();
      throw new ClusterException("interrupted while joining " + seed);
    }
  }

  /**
   * Tells that a node's process is gone, which the cluster would find out only in time. Whoever
   * waits for the nodes to join waits no longer.
   *
   * @param node its credentials, which no other node has
   * @param how a sentence about its end, for the user
   * @return whether the run had not begun for want of nodes, and now fails with that sentence
   */
  public boolean ended(Credentials node, String how) {
    boolean waitedFor = found.completeExceptionally(new ClusterException(how));
    Cluster cluster = Cluster.get(system);
    for (Member member : cluster.state().getMembers()) {
      if (member.hasRole(CERTIFICATE + node.id())) {
        cluster.manager().tell(new Down(member.address()));
      }
    }
    return waitedFor;
  }

  /**
   * Nodes that end are started again, so that prompts which nobody is left to answer may wait.
   *
   * @param longest until a node that was started again has joined
   */
  public void replaces(Duration longest) {
    replacement = longest;
  }

  /**
   * A run that fails is taken up again by whoever started the nodes.
   *
   * @param would whether it would be if it failed now; may be asked on any thread
   */
  public void recoversIf(BooleanSupplier would) {
    recovery = would;
  }

  /** Whether a run that has just failed is taken up again. */
  public boolean recovers() {
    return recovery.getAsBoolean();
  }

  /** How a node that has joined does, as far as the others can tell. */
  public enum Presence {
    /** No heartbeat for some time; it may be stopped, hang, be cut off or merely very busy. */
    SILENT,
    /** There again after a silence. */
    HEARD,
    /** Given up: the run goes on, or fails, without it, whatever its process does. */
    LOST
  }

  /** Hears of nodes, on a thread of the actor system's: to be short. */
  @FunctionalInterface
  public interface Watch {
    /**
     * Takes a change.
     *
     * @param credentials {@link Credentials#id} of the node
     */
    void told(String credentials, Presence presence);
  }

  /** From here on tells of every node that joins, until the run is over and all leave. */
  public void watch(Watch watch) {
    Watch meanwhile =
        (credentials, presence) -> {
          if (!ending.asked()) {
            watch.told(credentials, presence);
          }
        };
    system.systemActorOf(Attendance.create(meanwhile), "attendance", Props.empty());
  }

  /** Host and port at which others join. */
  public String address() {
    Address address = Cluster.get(system).selfMember().address();
    return address.getHost().get() + ":" + address.getPort().get();
  }

  /**
   * The roles' stage.
   *
   * @param placement node role by role name; a role that is not named goes to the node role of its
   *     own name. Ignored when alone
   * @param joinTimeout how long to wait for the nodes
   * @param deadline longest time of one request to a role
   * @param events takes what happens to roles and members
   * @throws ClusterException when nodes are missing or strangers
   */
  public Cast cast(
      Map<String, String> placement,
      Duration joinTimeout,
      Duration deadline,
      Consumer<RunEvent.Builder> events) {
    return cast(
        placement, Map.of(), Exchanging.AUTO, joinTimeout, deadline, Node.Terms.NONE, events);
  }

  /**
   * As above, with roles on several nodes at once.
   *
   * @param replicas by role name, of its node role a node for each; 1 where it is not named.
   *     Ignored when alone, as what is learned does not depend on it
   * @param exchanging how replicas exchange gradients
   * @param terms of all its roles
   */
  public Cast cast(
      Map<String, String> placement,
      Map<String, Integer> replicas,
      Exchanging exchanging,
      Duration joinTimeout,
      Duration deadline,
      Node.Terms terms,
      Consumer<RunEvent.Builder> events) {
    ActorRef<RunCoordinator.Command> coordinator =
        system.systemActorOf(
            RunCoordinator.create(clustered, events), "run-coordinator", Props.empty());
    RunCoordinator.Ears ears =
        await(
            AskPattern.<RunCoordinator.Command, RunCoordinator.Ears>ask(
                    coordinator, RunCoordinator.Listener::new, SHORT, system.scheduler())
                .toCompletableFuture());
    if (clustered) {
      system.tell(new Node.Report(ears.refusals()));
    }
    if (!clustered) {
      return new ActorCast(
          system,
          new Found(role -> List.of(system), Collections.nCopies(rolloutWorkers, system)),
          List.of(),
          ears.roles(),
          deadline,
          exchanging,
          ears.notices()::tell,
          terms,
          Duration.ZERO);
    }
    ActorRef<Discovery.Command> searcher = searching(placement, replicas, joinTimeout);
    Discovery.Found nodes = await(found);
    nodes.byRole().values().forEach(some -> some.forEach(node -> joins(node, ears)));
    nodes.rolloutWorkers().forEach(node -> joins(node, ears));
    ActorCast cast =
        new ActorCast(
            system,
            new Found(
                role ->
                    nodes(role, placement.getOrDefault(role, role), nodes.byRole())
                        .subList(0, replicas.getOrDefault(role, 1)),
                nodes.rolloutWorkers()),
            joined,
            ears.roles(),
            deadline,
            exchanging,
            ears.notices()::tell,
            terms,
            replacement);
    searcher.tell(
        new Discovery.Follow(
            newcomer -> joins(newcomer, cast, ears), (node, why) -> sentAway(node, why, ears)));
    return cast;
  }

  /**
   * Waits for the nodes that a {@link #cast} would wait for.
   *
   * @throws ClusterException when nodes are missing or strangers
   */
  public void gather(
      Map<String, String> placement, Map<String, Integer> replicas, Duration joinTimeout) {
    searching(placement, replicas, joinTimeout);
    await(found);
  }

  private synchronized ActorRef<Discovery.Command> searching(
      Map<String, String> placement, Map<String, Integer> replicas, Duration joinTimeout) {
    ActorRef<Discovery.Command> known = searcher;
    if (known == null) {
      known =
          system.systemActorOf(
              Discovery.create(nodes(placement, replicas), rolloutWorkers, joinTimeout, found),
              "discovery",
              Props.empty());
      searcher = known;
    }
    return known;
  }

  /** A node that came when the run had begun and cannot take part. */
  private void sentAway(Node.Introduced node, String why, RunCoordinator.Ears ears) {
    ears.refusals().tell(new Node.Refused(node.name(), "was sent away: it " + why));
    system.systemActorOf(
        Dismissal.create(node.node(), why),
        "dismissal-" + dismissals.incrementAndGet(),
        Props.empty());
  }

  private void joins(ActorRef<Node.Command> node, RunCoordinator.Ears ears) {
    if (joined.add(node)) {
      node.tell(new Node.Report(ears.refusals()));
    }
  }

  /** A node that has room for more workers that answer prompts. */
  private void joins(Discovery.Newcomer newcomer, ActorCast cast, RunCoordinator.Ears ears) {
    joins(newcomer.node(), ears);
    for (int i = 0; rolloutWorkers > 0 && i < newcomer.workers(); i++) {
      cast.gained(newcomer.node());
    }
  }

  /** Every role that is asked to answer prompts has the rollout workers do it. */
  private record Found(
      Function<String, List<ActorRef<Node.Command>>> homes,
      List<ActorRef<Node.Command>> rolloutWorkers)
      implements Placement {
    @Override
    public List<ActorRef<Node.Command>> homes(String role) {
      return homes.apply(role);
    }

    @Override
    public List<ActorRef<Node.Command>> workers(String role) {
      return rolloutWorkers;
    }
  }

  /** How many nodes of each node role there must be: as many as a role on it has replicas. */
  public static Map<String, Integer> nodes(
      Map<String, String> placement, Map<String, Integer> replicas) {
    Map<String, Integer> nodes = new TreeMap<>();
    placement.forEach((role, node) -> nodes.merge(node, replicas.getOrDefault(role, 1), Math::max));
    return nodes;
  }

  private static List<ActorRef<Node.Command>> nodes(
      String role, String nodeRole, Map<String, List<ActorRef<Node.Command>>> byRole) {
    List<ActorRef<Node.Command>> nodes = byRole.get(nodeRole);
    if (nodes == null) {
      throw new ClusterException(
          "the "
              + role
              + " is placed on a node of the role '"
              + nodeRole
              + "', which none has; nodes have "
              + String.join(", ", new java.util.TreeSet<>(byRole.keySet()))
              + ". Mend placement."
              + role);
    }
    return nodes;
  }

  /**
   * Completes when this JVM's actor system has ended: on {@link #close}, or when the seed has left;
   * with an exception when it ended otherwise.
   */
  public CompletableFuture<Void> ended() {
    return system
        .getWhenTerminated()
        .toCompletableFuture()
        .applyToEither(ending.overdue(), done -> done)
        .thenAccept(done -> ending.check(system));
  }

  /** An actor system that has ended answers nothing more. */
  private void failsOnEnd(CompletableFuture<?> future) {
    CompletionStage<Void> end = ended();
    end.whenComplete(
        (done, fault) ->
            future.completeExceptionally(
                fault == null
                    ? new ClusterException("the run ended before its nodes were there")
                    : fault));
  }

  private <T> T await(CompletableFuture<T> future) {
    failsOnEnd(future);
    try {
      return future.join();
    } catch (CompletionException e) {
      if (e.getCause() instanceof RuntimeException cause) {
        throw cause;
      }
      throw e;
    }
  }

  @Override
  public void close() {
    ending.ask();
    joined.forEach(node -> node.tell(new Node.Leave()));
    try {
      if (!joined.isEmpty() && !ending.begun(system)) {
        awaitAlone();
      }
      system.terminate();
      system.getWhenTerminated().toCompletableFuture().get(20, TimeUnit.SECONDS);
    } catch (ExecutionException | TimeoutException e) {
      system.log().warn("the actor system did not end in time", e);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }

  /**
   * Nodes have {@link #FAREWELL} to be gone before this one goes too. Of one that is about to go
   * the last word may have been for another that went before it.
   */
  private void awaitAlone() throws InterruptedException, ExecutionException {
    CompletableFuture<Void> alone = new CompletableFuture<>();
    system.systemActorOf(Alone.create(alone), "alone", Props.empty());
    if (!within(LAST_WORD, alone)) {
      forget(member -> member.status().equals(MemberStatus.exiting()));
      if (!within(FAREWELL.minus(LAST_WORD), alone)) {
        // What is left of them would be waited for by the cluster as long as it waits for the lost.
        system.log().info("not all nodes have left");
        forget(member -> true);
      }
    }
  }

  private static boolean within(Duration time, CompletableFuture<Void> alone)
      throws InterruptedException, ExecutionException {
    try {
      alone.get(time.toMillis(), TimeUnit.MILLISECONDS);
      return true;
    } catch (TimeoutException e) {
      return false;
    }
  }

  private void forget(Predicate<Member> which) {
    Cluster cluster = Cluster.get(system);
    for (Member member : cluster.state().getMembers()) {
      if (!member.address().equals(cluster.selfMember().address()) && which.test(member)) {
        cluster.manager().tell(new Down(member.address()));
      }
    }
  }

  /** The seed of a cluster plays no role. */
  private static final class NoEngines implements RoleEngine.Factory {
    @Override
    public RoleEngine open(dev.troupe.protocol.data.RoleSpec spec) {
      throw new ClusterException(
          "the seed node plays no role; place " + spec.name() + " elsewhere");
    }

    @Override
    public void close() {}
  }
}
