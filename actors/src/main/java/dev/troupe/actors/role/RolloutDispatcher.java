package dev.troupe.actors.role;

import dev.troupe.protocol.data.Part;
import dev.troupe.protocol.data.RoleSpec;
import dev.troupe.protocol.data.Rollout;
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
import java.util.Optional;
import java.util.Set;
import java.util.SortedMap;
import java.util.TreeMap;
import java.util.concurrent.TimeoutException;
import java.util.function.BiConsumer;
import java.util.function.Consumer;
import java.util.function.Function;
import org.apache.pekko.actor.Cancellable;
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
 * in the order they come, and each is answered once whatever happens to nodes.
 *
 * <p>Prompts are answered by the weights that the learner has when their turn comes, whatever it
 * learns while they are under way: it lends a copy, which a worker takes, from the learner or from
 * another worker that has it, before it answers. Several lists of prompts may be under way, by
 * different weights; who is free goes to the oldest that has something left. What a lost worker had
 * goes to another.
 */
final class RolloutDispatcher extends AbstractBehavior<RolloutDispatcher.Command>
    implements RolloutRound.Desk {
  /** What the dispatcher of a role is told. */
  sealed interface Command {}

  /**
   * Work for the role.
   *
   * @param heard hears the answers of each part of prompts that workers answer, before the reply
   */
  record Ask(
      RoleWorker.Work work,
      BiConsumer<Part, List<Rollout>> heard,
      ActorRef<RoleWorker.Reply> replyTo)
      implements Command {
    Ask(RoleWorker.Work work, ActorRef<RoleWorker.Reply> replyTo) {
      this(work, (part, answers) -> {}, replyTo);
    }
  }

  /**
   * Ends the role after all requests before it, but for prompts that workers are still answering:
   * nobody waits for these. Answered by {@link RoleWorker.Finished}.
   */
  record Close(ActorRef<RoleWorker.Reply> replyTo) implements Command {}

  /** One more worker may live on a node. */
  record Gained(ActorRef<Node.Command> node) implements Command {}

  /** A node is gone, whether or not a worker lives there. */
  record Ended(ActorRef<Node.Command> node) implements Command {}

  /** Nobody has come to answer prompts. */
  private record Deserted() implements Command {}

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
   * @param terms of all roles of the run
   * @param patience how long prompts wait for a worker when all are lost, as others may come
   * @param nodes where workers may be opened that answer prompts, a node as often as it has room
   * @param listener hears of lost workers, and of what each worker does
   */
  record Company(
      List<ActorRef<Node.Command>> nodes,
      ActorRef<RoleStatus> listener,
      Duration deadline,
      Node.Terms terms,
      Duration patience) {
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

  /** Under way, the oldest first. */
  private final List<RolloutRound> rounds = new ArrayList<>();

  /** Weights that those need, by version. */
  private final SortedMap<Long, Offer> offers = new TreeMap<>();

  /** Whether all that was sampled so far depends on nothing beside it; unknown at first. */
  private @Nullable Boolean byRow;

  private boolean handingOut;
  private boolean handOutAgain;
  private @Nullable Close closing;
  private final Set<Member> opening = new HashSet<>();

  /** Why a worker could not be opened, which is the user's to mend and not to go without. */
  private RoleWorker.@Nullable Failed broken;

  /** Told when prompts have waited too long for somebody to answer them. */
  private @Nullable Cancellable desertion;

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
        .onMessage(Deserted.class, deserted -> onDeserted())
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
    while (there && closing == null && !queue.isEmpty() && mayBegin(queue.element())) {
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

  /**
   * The learner goes on while its prompts are answered, unless it becomes another than the copies
   * that it lends say, or might be asked again for what it has been.
   */
  private boolean mayBegin(Command next) {
    if (rounds.isEmpty() || !(next instanceof Ask ask)) {
      return true;
    }
    if (ask.work() instanceof RoleWorker.Restore) {
      return false;
    }
    return !(ask.work() instanceof RoleWorker.Step)
        || !spec.numerics().scoresAgain(Boolean.TRUE.equals(byRow));
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
      RolloutRound round =
          new RolloutRound(
              generate,
              company.nodes().size(),
              learner,
              spec.numerics(),
              this,
              new RolloutRound.Asker(ask.heard(), ask.replyTo()::tell));
      RoleWorker.Lend lend = new RoleWorker.Lend(oldest());
      rounds.add(round);
      send(learner, lend, reply -> lent(round, reply));
      return;
    }
    if (ask.work() instanceof RoleWorker.Step) {
      rounds.forEach(RolloutRound::learnerMoves);
    } else if (ask.work() instanceof RoleWorker.Restore) {
      // The learner becomes another: its versions say nothing any more.
      workers.forEach(Member::forgetVersion);
    }
    send(learner, ask.work(), ask.replyTo()::tell);
  }

  /** Of the weights that somebody may still want. */
  private long oldest() {
    if (rounds.stream().anyMatch(round -> round.offer() == null)) {
      return 0;
    }
    return offers.isEmpty() ? Long.MAX_VALUE : offers.firstKey();
  }

  private void lent(RolloutRound round, RoleWorker.Reply reply) {
    if (!(reply instanceof RoleWorker.Lent weights)) {
      round.fail(reply);
      return;
    }
    if (!round.isOver()) {
      round.lent(offers.computeIfAbsent(weights.adapterVersion(), version -> offer(weights)));
      handOut();
    }
  }

  private Offer offer(RoleWorker.Lent weights) {
    Offer offer = new Offer(weights);
    offer.lending.has(learner);
    workers.stream()
        .filter(worker -> worker.has(weights))
        .forEach(worker -> offer.lending.has(worker));
    return offer;
  }

  private void close(Close close) {
    closing = close;
    places.clear();
    List.copyOf(rounds)
        .forEach(
            round ->
                round.fail(
                    new RoleWorker.Failed(
                        "the " + learner.name + " was closed while prompts were being answered",
                        false)));
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
      if (!rounds.isEmpty()) {
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
            replyTo -> new Node.Open(as, company.terms(), company.listener(), replyTo),
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
    handOut();
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
              List.copyOf(rounds).forEach(round -> round.fail(failed));
            }
            return;
          }
          member.loaded = true;
          handOut();
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
      Offer.release(member);
      offers.values().forEach(offer -> offer.lending.lost(member));
      if (closing == null) {
        tellLost(member.name, member.node, doing);
      }
    }
    for (Map.Entry<Long, InFlight> entry : open) {
      inFlight.remove(entry.getKey());
      entry.getValue().then().accept(member.gone(entry.getValue().activity()));
    }
    if (member == learner) {
      List.copyOf(rounds).forEach(round -> round.fail(learner.gone("answer prompts")));
    }
    handOut();
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

  // Prompts.

  @Override
  public void ended(RolloutRound over) {
    rounds.remove(over);
    Offer offer = over.offer();
    if (offer != null && rounds.stream().noneMatch(round -> round.offer() == offer)) {
      offers.remove(offer.weights.adapterVersion());
      workers.stream().filter(worker -> worker.awaits == offer).forEach(Offer::release);
    }
  }

  @Override
  public void sampled(boolean alone) {
    byRow = alone && !Boolean.FALSE.equals(byRow);
  }

  /** Gives those who are free what waits; what fails at once may come back here. */
  @Override
  public void handOut() {
    handOutAgain = true;
    if (handingOut) {
      return;
    }
    handingOut = true;
    while (handOutAgain) {
      handOutAgain = false;
      lookForWorkers();
      for (Member worker : List.copyOf(workers)) {
        if (worker.isFree()) {
          engage(worker);
        }
      }
      List.copyOf(offers.values()).forEach(this::lend);
    }
    handingOut = false;
  }

  /** Where there are none left, prompts wait for others, and not for ever. */
  private void lookForWorkers() {
    if (!workers.isEmpty() || !places.isEmpty() || rounds.isEmpty()) {
      if (desertion != null) {
        desertion.cancel();
        desertion = null;
      }
    } else if (company.patience().isZero()) {
      List.copyOf(rounds).forEach(RolloutRound::abandoned);
    } else if (desertion == null) {
      desertion =
          getContext().scheduleOnce(company.patience(), getContext().getSelf(), new Deserted());
    }
  }

  private Behavior<Command> onDeserted() {
    desertion = null;
    if (workers.isEmpty() && places.isEmpty()) {
      List.copyOf(rounds).forEach(RolloutRound::abandoned);
    }
    return proceed();
  }

  /** To the oldest round that has more left than those have in hand who are on their way to it. */
  private void engage(Member worker) {
    for (RolloutRound round : rounds) {
      Offer offer = round.offer();
      if (offer == null || round.waiting() == 0) {
        continue;
      }
      if (worker.has(offer.weights)) {
        Offer.release(worker);
        round.give(offer, worker);
        return;
      }
      if (worker.awaits == offer) {
        return;
      }
      if (round.waiting() > offer.coming()) {
        offer.awaitedBy(worker);
        return;
      }
    }
  }

  private void lend(Offer offer) {
    while (isWanted(offer)) {
      Optional<Lending.Loan<Member>> loan = offer.lending.next();
      if (loan.isEmpty()) {
        return;
      }
      take(offer, loan.get());
    }
  }

  private boolean isWanted(Offer offer) {
    return rounds.stream().anyMatch(round -> round.offer() == offer && round.waiting() > 0);
  }

  private void take(Offer offer, Lending.Loan<Member> loan) {
    Member borrower = loan.borrower();
    borrower.busy = true;
    send(
        borrower,
        new RoleWorker.Take(
            loan.lender().worker(),
            offer.weights.adapterVersion(),
            offer.weights.parts(),
            oldest()),
        reply -> {
          borrower.busy = false;
          offer.arrived(borrower);
          if (reply instanceof RoleWorker.Finished) {
            borrower.took(offer.weights);
          } else {
            borrower.forgetVersion();
          }
          if (offers.get(offer.weights.adapterVersion()) == offer) {
            taken(offer, loan, reply);
          }
          handOut();
        });
  }

  private void taken(Offer offer, Lending.Loan<Member> loan, RoleWorker.Reply reply) {
    Member borrower = loan.borrower();
    Member lender = loan.lender();
    if (borrower.has(offer.weights)) {
      offer.lending.done(loan);
    } else {
      offer.lending.failed(loan);
      if (!borrower.lost && lender == learner) {
        rounds.stream()
            .filter(round -> round.offer() == offer)
            .toList()
            .forEach(round -> round.fail(reply));
        return;
      }
      if (!borrower.lost) {
        // That the lender has ended, the borrower may know sooner than the dispatcher.
        offer.lending.lost(lender);
      }
    }
    if (lender.lost) {
      offer.lending.lost(lender);
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
