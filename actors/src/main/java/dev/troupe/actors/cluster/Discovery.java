package dev.troupe.actors.cluster;

import dev.troupe.actors.role.NodeActor;
import dev.troupe.protocol.kryo.WireTypes;
import dev.troupe.protocol.message.Node;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collections;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.concurrent.CompletableFuture;
import java.util.function.BiConsumer;
import java.util.function.Consumer;
import org.apache.pekko.actor.typed.ActorRef;
import org.apache.pekko.actor.typed.Behavior;
import org.apache.pekko.actor.typed.javadsl.AbstractBehavior;
import org.apache.pekko.actor.typed.javadsl.ActorContext;
import org.apache.pekko.actor.typed.javadsl.Behaviors;
import org.apache.pekko.actor.typed.javadsl.Receive;
import org.apache.pekko.actor.typed.receptionist.Receptionist;
import org.apache.pekko.cluster.typed.Cluster;
import org.jspecify.annotations.Nullable;

/**
 * Waits until every node role that the placement names is there, and as many rollout workers as the
 * run is to have, and gives the nodes. Then it goes on to tell of nodes that come later: to whom
 * they are welcome, or why they are sent away.
 */
final class Discovery extends AbstractBehavior<Discovery.Command> {
  interface Command {}

  /**
   * The nodes of a run.
   *
   * @param byRole as many of each node role as were needed
   * @param rolloutWorkers a node as often as it has such workers
   */
  record Found(
      Map<String, List<ActorRef<Node.Command>>> byRole,
      List<ActorRef<Node.Command>> rolloutWorkers) {}

  /**
   * A node that came when all were found, or that has more room than was waited for.
   *
   * @param workers that it has room for
   */
  record Newcomer(ActorRef<Node.Command> node, int workers) {}

  /** A node that came when all were found and cannot take part. */
  private record Stranger(Node.Introduced node, String why) {}

  /**
   * Asks to be told of nodes that come when all were found, those included that have come.
   *
   * @param newcomers hears of those that can take part
   * @param strangers hears of those that cannot, and why
   */
  record Follow(Consumer<Newcomer> newcomers, BiConsumer<Node.Introduced, String> strangers)
      implements Command {}

  private record Listed(Receptionist.Listing listing) implements Command {}

  private record Replied(Node.Reply reply) implements Command {}

  private record TimedOut() implements Command {}

  /** How many nodes of each role. */
  private final Map<String, Integer> needed;

  private final int neededWorkers;
  private final Duration timeout;
  private final CompletableFuture<Found> found;
  private final List<Newcomer> late = new ArrayList<>();
  private final List<Stranger> strangers = new ArrayList<>();
  private @Nullable Follow follower;
  private final ActorRef<Node.Reply> replies;
  private final Set<ActorRef<Node.Command>> asked = new HashSet<>();
  private final Map<String, List<ActorRef<Node.Command>>> byRole = new TreeMap<>();
  private final Map<String, Node.Introduced> byName = new TreeMap<>();

  private Discovery(
      ActorContext<Command> context,
      Map<String, Integer> needed,
      int neededWorkers,
      Duration timeout,
      CompletableFuture<Found> found) {
    super(context);
    this.needed = new TreeMap<>(needed);
    this.neededWorkers = neededWorkers;
    this.timeout = timeout;
    this.found = found;
    replies = context.messageAdapter(Node.Reply.class, Replied::new);
    context
        .getSystem()
        .receptionist()
        .tell(
            Receptionist.subscribe(
                NodeActor.KEY, context.messageAdapter(Receptionist.Listing.class, Listed::new)));
  }

  static Behavior<Command> create(
      Map<String, Integer> needed,
      int neededWorkers,
      Duration timeout,
      CompletableFuture<Found> found) {
    return Behaviors.setup(
        context ->
            Behaviors.withTimers(
                timers -> {
                  timers.startSingleTimer(new TimedOut(), timeout);
                  return new Discovery(context, needed, neededWorkers, timeout, found);
                }));
  }

  @Override
  public Receive<Command> createReceive() {
    return newReceiveBuilder()
        .onMessage(Listed.class, this::onListed)
        .onMessage(Replied.class, this::onReplied)
        .onMessage(TimedOut.class, this::onTimedOut)
        .onMessage(Follow.class, this::onFollow)
        .build();
  }

  private Behavior<Command> onListed(Listed listed) {
    for (ActorRef<Node.Command> node : listed.listing().getServiceInstances(NodeActor.KEY)) {
      if (asked.add(node)) {
        node.tell(new Node.Introduce(replies));
      }
    }
    return this;
  }

  private Behavior<Command> onReplied(Replied replied) {
    if (!(replied.reply() instanceof Node.Introduced node)) {
      return this;
    }
    Optional<String> strange = strange(node);
    if (found.isDone()) {
      return later(node, strange);
    }
    if (strange.isPresent()) {
      found.completeExceptionally(
          new ClusterException("the node " + node.name() + " " + strange.get()));
      return Behaviors.stopped();
    }
    node.roles().forEach(role -> present(role).add(node.node()));
    byName.put(node.name(), node);
    if (missing().isEmpty() && workers().size() >= neededWorkers) {
      found.complete(new Found(enough(), workers().subList(0, neededWorkers)));
      spareWorkers().forEach(spare -> late.add(new Newcomer(spare, 1)));
    }
    return this;
  }

  private List<ActorRef<Node.Command>> present(String role) {
    return byRole.computeIfAbsent(role, key -> new ArrayList<>());
  }

  /** Node roles that too few nodes have. */
  private Set<String> missing() {
    Set<String> missing = new TreeSet<>();
    needed.forEach(
        (role, count) -> {
          if (byRole.getOrDefault(role, List.of()).size() < count) {
            missing.add(role);
          }
        });
    return missing;
  }

  private Map<String, List<ActorRef<Node.Command>>> enough() {
    Map<String, List<ActorRef<Node.Command>>> chosen = new TreeMap<>();
    byRole.forEach(
        (role, nodes) ->
            chosen.put(
                role,
                List.copyOf(
                    nodes.subList(0, Math.min(nodes.size(), needed.getOrDefault(role, 1))))));
    return chosen;
  }

  /** More than were waited for work as those that come later do; where none may, it is said. */
  private List<ActorRef<Node.Command>> spareWorkers() {
    List<ActorRef<Node.Command>> spare = workers().subList(neededWorkers, workers().size());
    if (neededWorkers == 0 && !spare.isEmpty()) {
      getContext()
          .getLog()
          .warn(
              "{} rollout workers have joined and stay idle: the run was started for none (launch"
                  + " --rollouts, or hosts with the role rollout), so roles answer prompts"
                  + " themselves",
              spare.size());
    }
    return spare;
  }

  private Behavior<Command> later(Node.Introduced node, Optional<String> strange) {
    // The run's own node has no role, and may be among the last to say who it is.
    if (!node.roles().isEmpty()) {
      strange.ifPresentOrElse(
          why -> strangers.add(new Stranger(node, why)),
          () -> late.add(new Newcomer(node.node(), node.rolloutWorkers())));
      tellLate();
    }
    return this;
  }

  /** Why a node cannot take part, if so. */
  private Optional<String> strange(Node.Introduced node) {
    if (node.protocolVersion() != Node.PROTOCOL_VERSION) {
      return Optional.of(
          "speaks protocol version "
              + node.protocolVersion()
              + ", this one "
              + Node.PROTOCOL_VERSION
              + ". Run the same version of Troupe on every node");
    }
    List<String> own = WireTypes.of(getContext().getSystem().settings().config()).described();
    return node.wireTypes().equals(own) ? Optional.empty() : Optional.of(otherTypes(node, own));
  }

  /** Names what one side alone has: a class of an algorithm, or another form of it. */
  private static String otherTypes(Node.Introduced node, List<String> own) {
    List<String> missing = new ArrayList<>(own);
    missing.removeAll(node.wireTypes());
    List<String> further = new ArrayList<>(node.wireTypes());
    further.removeAll(own);
    return "has other algorithms than this one"
        + (missing.isEmpty() ? "" : "; it has not " + String.join(", ", missing))
        + (further.isEmpty() ? "" : "; this one has not " + String.join(", ", further))
        + ". Put the same jars on the class path of every node";
  }

  /** A node as often as it has room for a rollout worker, in the order of names. */
  private List<ActorRef<Node.Command>> workers() {
    return byName.values().stream()
        .flatMap(node -> Collections.nCopies(node.rolloutWorkers(), node.node()).stream())
        .toList();
  }

  private Behavior<Command> onFollow(Follow follow) {
    follower = follow;
    tellLate();
    return this;
  }

  private void tellLate() {
    Follow told = follower;
    if (told != null) {
      strangers.forEach(stranger -> told.strangers().accept(stranger.node(), stranger.why()));
      strangers.clear();
      late.forEach(told.newcomers());
      late.clear();
    }
  }

  private Behavior<Command> onTimedOut(TimedOut timedOut) {
    if (found.isDone()) {
      return this;
    }
    Set<String> missing = missing();
    if (missing.isEmpty()) {
      found.completeExceptionally(
          new ClusterException(
              "after "
                  + timeout.toSeconds()
                  + " s "
                  + workers().size()
                  + " of "
                  + neededWorkers
                  + " rollout workers have joined. Start more with: "
                  + command(Ensemble.ROLLOUT)));
      return Behaviors.stopped();
    }
    Optional<String> few = missing.stream().filter(byRole::containsKey).findFirst();
    if (few.isPresent()) {
      found.completeExceptionally(
          new ClusterException(
              "after "
                  + timeout.toSeconds()
                  + " s "
                  + present(few.get()).size()
                  + " of "
                  + needed.get(few.get())
                  + " nodes with the role "
                  + few.get()
                  + " have joined, on which replicas of a role are to be (cluster.ROLE.replicas)."
                  + " Start more with: "
                  + command(few.get())));
      return Behaviors.stopped();
    }
    found.completeExceptionally(
        new ClusterException(
            "after "
                + timeout.toSeconds()
                + " s no node with the role"
                + (missing.size() == 1 ? " " : "s ")
                + String.join(", ", missing)
                + " has joined; present are "
                + (byRole.isEmpty() ? "none" : String.join(", ", byRole.keySet()))
                + ". Start one with: "
                + command(String.join(",", missing))));
    return Behaviors.stopped();
  }

  private String command(String roles) {
    return "troupe node --join "
        + Cluster.get(getContext().getSystem())
            .selfMember()
            .address()
            .hostPort()
            .replaceFirst(".*@", "")
        + " --roles "
        + roles;
  }
}
