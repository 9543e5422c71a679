package dev.troupe.actors.role;

import dev.troupe.protocol.data.Output;
import dev.troupe.protocol.data.RoleSpec;
import dev.troupe.protocol.data.Rollout;
import dev.troupe.protocol.data.Sequence;
import dev.troupe.protocol.data.TokenOutputs;
import dev.troupe.protocol.message.Node;
import dev.troupe.protocol.message.RoleStatus;
import dev.troupe.protocol.message.RoleWorker;
import java.time.Duration;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.TimeoutException;
import java.util.function.Consumer;
import java.util.function.Function;
import org.apache.pekko.actor.typed.ActorRef;
import org.apache.pekko.actor.typed.Behavior;
import org.apache.pekko.actor.typed.PostStop;
import org.apache.pekko.actor.typed.Terminated;
import org.apache.pekko.actor.typed.javadsl.AbstractBehavior;
import org.apache.pekko.actor.typed.javadsl.ActorContext;
import org.apache.pekko.actor.typed.javadsl.Behaviors;
import org.apache.pekko.actor.typed.javadsl.Receive;
import org.jspecify.annotations.Nullable;

/**
 * One role as its recipe asks it: the worker that learns, and as many as answer its prompts with
 * its weights; where there are none of these, the learner answers them itself. Requests are begun
 * in the order they come, one that comes after prompts waits for their answers, and each is
 * answered once whatever happens to nodes.
 *
 * <p>Before a worker answers, it takes the learner's weights of the newest version, from the
 * learner or from another worker that has them. What a lost worker had goes to another.
 */
final class RolloutDispatcher extends AbstractBehavior<RolloutDispatcher.Command>
    implements RolloutRound.Desk {
  /** What the dispatcher of a role is told. */
  sealed interface Command {}

  /** Work for the role. */
  record Ask(RoleWorker.Work work, ActorRef<RoleWorker.Reply> replyTo) implements Command {}

  /** Ends the role after all requests before it; answered by {@link RoleWorker.Finished}. */
  record Close(ActorRef<RoleWorker.Reply> replyTo) implements Command {}

  /** One more worker may live on a node. */
  record Gained(ActorRef<Node.Command> node) implements Command {}

  /** A node is gone, whether or not a worker lives there. */
  record Ended(ActorRef<Node.Command> node) implements Command {}

  /** A node has opened a worker, or not. */
  private record Opened(Member member, Node.@Nullable Reply reply) implements Command {}

  /** A worker has answered, or not. */
  private record Answered(
      long request, RoleWorker.@Nullable Reply reply, @Nullable Throwable failure)
      implements Command {}

  /**
   * Who it works with.
   *
   * @param deadline longest time of one request to a worker
   * @param nodes where workers may be opened that answer prompts, a node as often as it has room
   * @param listener hears of lost workers, and of what each worker does
   */
  record Company(
      List<ActorRef<Node.Command>> nodes, ActorRef<RoleStatus> listener, Duration deadline) {
    Company {
      nodes = List.copyOf(nodes);
    }
  }

  private static final Duration OPENING = Duration.ofMinutes(3);

  /** A request to a worker, under way. */
  private record InFlight(Member member, String activity, Consumer<RoleWorker.Reply> then) {}

  private final RoleSpec spec;
  private final Company company;
  private final Member learner;
  private final Deque<Command> queue = new ArrayDeque<>();
  private final Map<Long, InFlight> inFlight = new LinkedHashMap<>();

  /** Those that answer prompts, opened with the first: many a stage has none. */
  private final List<Member> workers = new ArrayList<>();

  /** Nodes for workers that are not yet opened. */
  private final Deque<ActorRef<Node.Command>> places;

  private @Nullable RolloutRound round;
  private @Nullable Close closing;
  private final Set<Member> opening = new HashSet<>();

  /** Why a worker could not be opened, which is the user's to mend and not to go without. */
  private RoleWorker.@Nullable Failed broken;

  private int named;
  private long asked;

  private RolloutDispatcher(
      ActorContext<Command> context, RoleSpec spec, ActorRef<Node.Command> home, Company company) {
    super(context);
    this.spec = spec;
    this.company = company;
    learner = new Member(spec.name(), home);
    places = new ArrayDeque<>(company.nodes());
    open(learner, spec);
  }

  /** Opens the role at home; its model is loaded by the first work. */
  static Behavior<Command> create(RoleSpec spec, ActorRef<Node.Command> home, Company company) {
    return Behaviors.setup(context -> new RolloutDispatcher(context, spec, home, company));
  }

  @Override
  public Receive<Command> createReceive() {
    return newReceiveBuilder()
        .onMessage(Ask.class, this::onRequest)
        .onMessage(Close.class, this::onRequest)
        .onMessage(Gained.class, this::onGained)
        .onMessage(Ended.class, this::onEnded)
        .onMessage(Opened.class, this::onOpened)
        .onMessage(Answered.class, this::onAnswered)
        .onSignal(Terminated.class, this::onTerminated)
        .onSignal(PostStop.class, this::onPostStop)
        .build();
  }

  private Behavior<Command> onRequest(Command request) {
    queue.add(request);
    return proceed();
  }

  /** Begins what waits, as far as its turn has come. */
  private Behavior<Command> proceed() {
    boolean there = learner.worker != null || learner.lost;
    while (there && round == null && closing == null && !queue.isEmpty()) {
      Command next = queue.remove();
      if (next instanceof Close close) {
        close(close);
      } else if (next instanceof Ask ask) {
        begin(ask);
      }
    }
    if (closing != null && inFlight.isEmpty() && opening.isEmpty()) {
      // The answer is given when this actor stops, as all that is still open then.
      return Behaviors.stopped();
    }
    return this;
  }

  private void begin(Ask ask) {
    if (ask.work() instanceof RoleWorker.Generate generate && !company.nodes().isEmpty()) {
      if (generate.prompts().isEmpty()) {
        ask.replyTo().tell(new RoleWorker.Generated(List.of(), true));
        return;
      }
      if (broken != null) {
        ask.replyTo().tell(broken);
        return;
      }
      openWorkers();
      round =
          new RolloutRound(
              generate,
              company.nodes().size(),
              learner,
              workers,
              this,
              answer -> answered(answer, ask.replyTo()));
      round.begin();
      return;
    }
    if (ask.work() instanceof RoleWorker.Restore) {
      // The learner becomes another: its versions say nothing any more.
      workers.forEach(Member::forgetVersion);
    }
    send(learner, ask.work(), ask.replyTo()::tell);
  }

  /** What a round came to; where that is wanted, with the log-probabilities that training sees. */
  private void answered(RoleWorker.Reply answer, ActorRef<RoleWorker.Reply> replyTo) {
    if (!(answer instanceof RoleWorker.Generated generated)
        || !spec.numerics().scoresAgain(generated.byRow())) {
      replyTo.tell(answer);
      return;
    }
    List<Rollout> rollouts = generated.rollouts();
    List<Sequence> sequences = Rollout.toScore(rollouts);
    send(
        learner,
        new RoleWorker.Evaluate(sequences, List.of(Output.LOGPROBS)),
        reply -> replyTo.tell(scoredAgain(rollouts, sequences, reply)));
  }

  private RoleWorker.Reply scoredAgain(
      List<Rollout> rollouts, List<Sequence> sequences, RoleWorker.Reply reply) {
    if (!(reply instanceof RoleWorker.Evaluated evaluated)) {
      return reply;
    }
    try {
      List<TokenOutputs> said =
          new Asked("the " + learner.name + " on " + learner.node)
              .saidOf(sequences, List.of(Output.LOGPROBS), evaluated.outputs());
      return new RoleWorker.Generated(Rollout.scoredAgain(rollouts, all -> said), true);
    } catch (RoleException e) {
      return new RoleWorker.Failed(String.valueOf(e.getMessage()), false);
    }
  }

  private void close(Close close) {
    closing = close;
    places.clear();
    stop(learner);
    workers.stream().filter(worker -> worker.worker != null).forEach(this::stop);
  }

  private void stop(Member member) {
    send(member, "close", RoleWorker.Stop::new, reply -> {});
  }

  // Workers that come and go.

  private Behavior<Command> onGained(Gained gained) {
    // A learner that answers its prompts itself goes on to.
    if (closing == null && !company.nodes().isEmpty()) {
      places.add(gained.node());
      if (round != null) {
        openWorkers();
      }
    }
    return this;
  }

  private void openWorkers() {
    while (!places.isEmpty()) {
      ActorRef<Node.Command> place = places.remove();
      named++;
      Member member = new Member("rollout-" + named, place);
      workers.add(member);
      open(member, spec.follower(member.name));
    }
  }

  private void open(Member member, RoleSpec as) {
    opening.add(member);
    getContext()
        .ask(
            Node.Reply.class,
            member.home,
            OPENING,
            replyTo -> new Node.Open(as, company.listener(), replyTo),
            (reply, failure) -> new Opened(member, reply));
  }

  private Behavior<Command> onEnded(Ended ended) {
    while (places.remove(ended.node())) {
      named++;
      tellLost("rollout-" + named, Member.name(ended.node()), "");
    }
    if (learner.home.equals(ended.node())) {
      lost(learner);
    }
    for (Member worker : List.copyOf(workers)) {
      if (worker.home.equals(ended.node())) {
        lost(worker);
      }
    }
    if (round != null) {
      round.handOut();
    }
    return proceed();
  }

  private Behavior<Command> onOpened(Opened opened) {
    Member member = opened.member();
    opening.remove(member);
    if (!(opened.reply() instanceof Node.Opened there)) {
      lost(member, "did not open it within " + OPENING.toSeconds() + " s");
      return proceed();
    }
    member.worker = there.worker();
    member.node = there.node();
    if ((closing != null && member != learner) || member.lost) {
      there.worker().tell(new RoleWorker.Stop(getContext().getSystem().ignoreRef()));
      return proceed();
    }
    getContext().watch(there.worker());
    if (member != learner) {
      load(member);
    }
    return proceed();
  }

  private void load(Member member) {
    send(
        member,
        new RoleWorker.Load(),
        reply -> {
          if (reply instanceof RoleWorker.Failed failed) {
            if (!member.lost) {
              broken = failed;
              if (round != null) {
                round.fail(failed);
              }
            }
            return;
          }
          member.loaded = true;
          isFree(member);
        });
  }

  private Behavior<Command> onTerminated(Terminated signal) {
    Object ended = signal.getRef();
    if (ended.equals(learner.worker)) {
      lost(learner);
    }
    for (Member worker : List.copyOf(workers)) {
      if (ended.equals(worker.worker)) {
        lost(worker);
      }
    }
    return proceed();
  }

  /** Nothing that is still asked of it will be answered. */
  private void lost(Member member) {
    lost(member, member.worker == null ? "ended before it was there" : "ended");
  }

  private void lost(Member member, String how) {
    if (member.lost) {
      return;
    }
    member.lost = true;
    member.end = how;
    opening.remove(member);
    String doing = "";
    List<Map.Entry<Long, InFlight>> open = new ArrayList<>();
    for (Map.Entry<Long, InFlight> entry : inFlight.entrySet()) {
      if (entry.getValue().member() == member) {
        open.add(Map.entry(entry.getKey(), entry.getValue()));
        doing = entry.getValue().activity();
      }
    }
    if (member != learner) {
      workers.remove(member);
      if (round != null) {
        round.without(member);
      }
      if (closing == null) {
        tellLost(member.name, member.node, doing);
      }
    }
    for (Map.Entry<Long, InFlight> entry : open) {
      inFlight.remove(entry.getKey());
      entry.getValue().then().accept(member.gone(entry.getValue().activity()));
    }
    if (round != null && member == learner) {
      round.fail(learner.gone("answer prompts"));
    } else if (round != null) {
      round.handOut();
    }
  }

  private void tellLost(String member, String node, String doing) {
    company
        .listener()
        .tell(
            new RoleStatus(
                member,
                node,
                "failed",
                "its node ended; others answer its prompts"
                    + (doing.isEmpty() ? "" : " (it was to " + doing + ")"),
                0,
                Map.of(),
                Map.of()));
  }

  @Override
  public boolean mayGain() {
    return !places.isEmpty();
  }

  @Override
  public void ended(RolloutRound over) {
    round = null;
  }

  @Override
  public void isFree(Member worker) {
    if (round != null) {
      round.join(worker);
    }
  }

  // Requests to workers.

  @Override
  public void send(Member member, RoleWorker.Work work, Consumer<RoleWorker.Reply> then) {
    send(member, work.activity(), replyTo -> new RoleWorker.Request(work, replyTo), then);
  }

  private void send(
      Member member,
      String activity,
      Function<ActorRef<RoleWorker.Reply>, RoleWorker.Command> message,
      Consumer<RoleWorker.Reply> then) {
    if (member.lost) {
      then.accept(member.gone(activity));
      return;
    }
    long number = ++asked;
    inFlight.put(number, new InFlight(member, activity, then));
    getContext()
        .ask(
            RoleWorker.Reply.class,
            member.worker(),
            company.deadline(),
            message::apply,
            (reply, failure) -> new Answered(number, reply, failure));
  }

  private Behavior<Command> onAnswered(Answered answered) {
    InFlight request = inFlight.get(answered.request());
    if (request == null) {
      return this;
    }
    RoleWorker.Reply reply = answered.reply();
    if (reply != null) {
      inFlight.remove(answered.request());
      request.then().accept(reply);
    } else if (Member.hasEnded(answered.failure())) {
      lost(request.member());
    } else {
      inFlight.remove(answered.request());
      request.then().accept(overdue(request, answered.failure()));
    }
    return proceed();
  }

  private RoleWorker.Reply overdue(InFlight request, @Nullable Throwable failure) {
    String who = "the " + request.member().name + " on " + request.member().node;
    return failure instanceof TimeoutException
        ? new RoleWorker.Failed(
            who
                + " did not answer '"
                + request.activity()
                + "' within "
                + company.deadline().toSeconds()
                + " s (cluster.request-timeout-seconds)",
            false)
        : new RoleWorker.Failed(who + " failed to " + request.activity() + ": " + failure, false);
  }

  /** The actor system ends, as one does that is out of memory: whoever waits is told. */
  private Behavior<Command> onPostStop(PostStop signal) {
    lost(learner);
    Command next;
    while ((next = queue.poll()) != null) {
      if (next instanceof Ask ask) {
        ask.replyTo().tell(learner.gone(ask.work().activity()));
      } else if (next instanceof Close close) {
        close.replyTo().tell(new RoleWorker.Finished());
      }
    }
    if (closing != null) {
      closing.replyTo().tell(new RoleWorker.Finished());
    }
    return this;
  }
}
