package dev.troupe.actors.role;

import dev.troupe.actors.trust.Refusals;
import dev.troupe.engine.RoleEngine;
import dev.troupe.protocol.kryo.WireTypes;
import dev.troupe.protocol.message.Node;
import java.time.Duration;
import java.util.List;
import java.util.Optional;
import java.util.function.Consumer;
import org.apache.pekko.actor.typed.ActorRef;
import org.apache.pekko.actor.typed.Behavior;
import org.apache.pekko.actor.typed.javadsl.AbstractBehavior;
import org.apache.pekko.actor.typed.javadsl.ActorContext;
import org.apache.pekko.actor.typed.javadsl.Behaviors;
import org.apache.pekko.actor.typed.javadsl.Receive;
import org.apache.pekko.actor.typed.receptionist.Receptionist;
import org.apache.pekko.actor.typed.receptionist.ServiceKey;

/** One JVM's own actor: brings roles to life on the JVM's shared bases. */
public final class NodeActor extends AbstractBehavior<Node.Command> {
  /** Where nodes are found. */
  public static final ServiceKey<Node.Command> KEY =
      ServiceKey.create(Node.Command.class, "troupe-node");

  private final String name;
  private final List<String> roles;
  private final int rolloutWorkers;
  private final int protocolVersion;
  private final RoleEngine.Factory engines;
  private final RunFiles files;
  private final Groups groups;
  private final Refusals refusals;
  private final Runnable leaving;
  private final Consumer<String> dismissed;
  private final Optional<Consumer<String>> hanging;
  private int opened;

  private NodeActor(
      ActorContext<Node.Command> context,
      String name,
      List<String> roles,
      int rolloutWorkers,
      int protocolVersion,
      RoleEngine.Factory engines,
      RunFiles files,
      Groups groups,
      Refusals refusals,
      Runnable leaving,
      Consumer<String> dismissed,
      Optional<Consumer<String>> hanging) {
    super(context);
    this.name = name;
    this.roles = roles;
    this.rolloutWorkers = rolloutWorkers;
    this.protocolVersion = protocolVersion;
    this.engines = engines;
    this.files = files;
    this.groups = groups;
    this.refusals = refusals;
    this.leaving = leaving;
    this.dismissed = dismissed;
    this.hanging = hanging;
    context.getSystem().receptionist().tell(Receptionist.register(KEY, context.getSelf()));
  }

  /**
   * @param name for people: host and port, or local
   * @param roles the node roles that placement names
   * @param rolloutWorkers how many roles may live here that answer prompts for a policy elsewhere
   * @param protocolVersion {@link Node#PROTOCOL_VERSION}, but in tests of strangers
   * @param files where roles may write
   * @param groups by which roles may exchange gradients with their replicas
   * @param refusals of connections to this JVM
   * @param leaving is run when the run tells this node to end
   * @param dismissed is told why the run wants none of this node, which then ends
   * @param hanging is told what work hangs here for which this JVM must end; absent where it is not
   *     a node's
   */
  public static Behavior<Node.Command> create(
      String name,
      List<String> roles,
      int rolloutWorkers,
      int protocolVersion,
      RoleEngine.Factory engines,
      RunFiles files,
      Groups groups,
      Refusals refusals,
      Runnable leaving,
      Consumer<String> dismissed,
      Optional<Consumer<String>> hanging) {
    return Behaviors.setup(
        context ->
            new NodeActor(
                context,
                name,
                roles,
                rolloutWorkers,
                protocolVersion,
                engines,
                files,
                groups,
                refusals,
                leaving,
                dismissed,
                hanging));
  }

  @Override
  public Receive<Node.Command> createReceive() {
    return newReceiveBuilder()
        .onMessage(Node.Introduce.class, this::onIntroduce)
        .onMessage(Node.Open.class, this::onOpen)
        .onMessage(Node.Report.class, this::onReport)
        .onMessage(Node.Leave.class, leave -> onEnd(leaving))
        .onMessage(Node.Dismiss.class, dismiss -> onEnd(() -> dismissed.accept(dismiss.why())))
        .build();
  }

  /**
   * By the system and not by stopping, as without its guardian a system is gone before its node has
   * left the cluster, where the others then wait for it.
   */
  private Behavior<Node.Command> onEnd(Runnable reason) {
    reason.run();
    getContext().getSystem().terminate();
    return this;
  }

  private Behavior<Node.Command> onIntroduce(Node.Introduce introduce) {
    introduce
        .replyTo()
        .tell(
            new Node.Introduced(
                name,
                roles,
                rolloutWorkers,
                protocolVersion,
                WireTypes.of(getContext().getSystem().settings().config()).described(),
                getContext().getSelf()));
    return this;
  }

  private Behavior<Node.Command> onReport(Node.Report report) {
    refusals.listen(what -> report.listener().tell(new Node.Refused(name, what)));
    return this;
  }

  private Behavior<Node.Command> onOpen(Node.Open open) {
    opened++;
    ActorRef<dev.troupe.protocol.message.RoleWorker.Command> worker =
        getContext()
            .spawn(
                RoleActor.create(
                    open.spec(),
                    name,
                    () -> engines.open(open.spec()),
                    files.of(open.terms().driver()),
                    groups,
                    new Patience(Duration.ofMillis(open.terms().silenceMillis()), hanging),
                    open.listener()),
                open.spec().name() + "-" + opened);
    open.replyTo().tell(new Node.Opened(worker, name));
    return this;
  }
}
