package dev.troupe.actors.role;

import dev.troupe.protocol.data.Example;
import dev.troupe.protocol.data.RoleSpec;
import dev.troupe.protocol.data.Share;
import dev.troupe.protocol.data.TokenOutputs;
import dev.troupe.protocol.message.Node;
import dev.troupe.protocol.message.RoleStatus;
import dev.troupe.protocol.message.RoleWorker;
import java.time.Duration;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Deque;
import java.util.HashSet;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.TimeoutException;
import java.util.function.Consumer;
import java.util.function.IntFunction;
import org.apache.pekko.actor.typed.ActorRef;
import org.apache.pekko.actor.typed.Behavior;
import org.apache.pekko.actor.typed.Terminated;
import org.apache.pekko.actor.typed.javadsl.AbstractBehavior;
import org.apache.pekko.actor.typed.javadsl.ActorContext;
import org.apache.pekko.actor.typed.javadsl.Behaviors;
import org.apache.pekko.actor.typed.javadsl.Receive;
import org.jspecify.annotations.Nullable;

/**
 * A role that is on several nodes at once, to whoever asks it as though it were one worker. Its
 * replicas have the same parameters. They share the micro-batches of a step, exchange among
 * themselves what these come to, and each takes the step, after which their parameters are
 * compared. What is no work to share, the first does. Requests are carried out one after another,
 * and each is answered once.
 */
final class Replicas extends AbstractBehavior<RoleWorker.Command> {
  /** A node has opened a replica, or not. */
  private record Opened(Member member, Node.@Nullable Reply reply, @Nullable Throwable failure)
      implements RoleWorker.Command {}

  /** A replica has answered, or not. */
  private record Answered(
      Round round, int rank, RoleWorker.@Nullable Reply reply, @Nullable Throwable failure)
      implements RoleWorker.Command {}

  /** What is asked of all replicas, or of some: nothing else is before all have answered. */
  private static final class Round {
    final String activity;
    final RoleWorker.Reply[] replies;
    final Consumer<List<RoleWorker.Reply>> then;
    int missing;

    Round(String activity, int asked, Consumer<List<RoleWorker.Reply>> then) {
      this.activity = activity;
      this.then = then;
      replies = new RoleWorker.Reply[asked];
      missing = asked;
    }
  }

  private static final Duration OPENING = Duration.ofMinutes(3);

  /**
   * What holds for all roles with replicas.
   *
   * @param deadline longest time of one request to a role
   * @param exchanging how gradients are exchanged
   * @param notices is told how they are, in the end
   * @param node what holds for all roles of the run
   */
  public record Terms(
      Duration deadline, Exchanging exchanging, Consumer<String> notices, Node.Terms node) {}

  private final RoleSpec spec;
  private final Exchanging exchanging;

  /** Whether each holds the optimiser's state of a shard. */
  private final boolean sharded;

  private final Consumer<String> notices;
  private final Duration deadline;
  private final List<Member> members = new ArrayList<>();
  private final Deque<RoleWorker.Command> waiting = new ArrayDeque<>();
  private @Nullable Round round;

  /** Whom the request in hand is answered to. */
  private @Nullable ActorRef<RoleWorker.Reply> asker;

  private RoleWorker.@Nullable Failed broken;

  /** Those whose nodes have not yet answered, and are there. */
  private final Set<Member> opening = new HashSet<>();

  private long exchanges;
  private boolean byGloo;

  /** Number of the group of Gloo's: after a failure it is another. */
  private long group = 1;

  private boolean ending;

  private Replicas(
      ActorContext<RoleWorker.Command> context,
      RoleSpec spec,
      List<ActorRef<Node.Command>> homes,
      ActorRef<RoleStatus> listener,
      Terms terms) {
    super(context);
    this.spec = spec;
    exchanging = terms.exchanging();
    sharded = exchanging.sharded() && spec.optimizer().isPresent();
    notices = terms.notices();
    // Before whoever asks this one loses patience, and with the name of the one that is silent.
    deadline = terms.deadline().multipliedBy(19).dividedBy(20);
    for (int rank = 0; rank < homes.size(); rank++) {
      RoleSpec named = rank == 0 ? spec : spec.named(spec.name() + "-" + (rank + 1));
      RoleSpec as = sharded ? named.with(new Share(rank, homes.size())) : named;
      Member member = new Member(as.name(), homes.get(rank));
      members.add(member);
      opening.add(member);
      context.watch(member.home);
      context.ask(
          Node.Reply.class,
          member.home,
          OPENING,
          replyTo -> new Node.Open(as, terms.node(), listener, replyTo),
          (reply, failure) -> new Opened(member, reply, failure));
    }
  }

  /**
   * Opens a replica on each node; models are loaded by the first work.
   *
   * @param homes the first answers prompts, saves and lends weights
   */
  static Behavior<RoleWorker.Command> create(
      RoleSpec spec,
      List<ActorRef<Node.Command>> homes,
      ActorRef<RoleStatus> listener,
      Terms terms) {
    return Behaviors.setup(context -> new Replicas(context, spec, homes, listener, terms));
  }

  @Override
  public Receive<RoleWorker.Command> createReceive() {
    return newReceiveBuilder()
        .onMessage(RoleWorker.Request.class, this::onCommand)
        .onMessage(RoleWorker.Stop.class, this::onCommand)
        .onMessage(RoleWorker.Fetch.class, this::onFetch)
        .onMessage(Opened.class, this::onOpened)
        .onMessage(Answered.class, this::onAnswered)
        .onSignal(Terminated.class, this::onTerminated)
        .build();
  }

  private Behavior<RoleWorker.Command> onCommand(RoleWorker.Command command) {
    waiting.add(command);
    return next();
  }

  /** Of what the first has lent; it answers at once and past all work. */
  private Behavior<RoleWorker.Command> onFetch(RoleWorker.Fetch fetch) {
    Member first = members.get(0);
    if (first.lost) {
      fetch.replyTo().tell(first.gone("lend weights"));
    } else {
      first.worker().tell(fetch);
    }
    return this;
  }

  private Behavior<RoleWorker.Command> onOpened(Opened opened) {
    Member member = opened.member();
    opening.remove(member);
    if (opened.reply() instanceof Node.Opened there) {
      member.worker = there.worker();
      member.node = there.node();
      getContext().watch(there.worker());
    } else if (!member.lost) {
      lost(member, "did not open it" + (opened.failure() == null ? "" : ": " + opened.failure()));
    }
    return next();
  }

  private Behavior<RoleWorker.Command> onTerminated(Terminated signal) {
    Object ended = signal.getRef();
    for (Member member : members) {
      if (ended.equals(member.worker) || ended.equals(member.home)) {
        lost(member, member.worker == null ? "ended before it was there" : "ended");
      }
    }
    return next();
  }

  /** One that is gone is the end of all: the others have no part of its work. */
  private void lost(Member member, String how) {
    if (member.lost || ending) {
      return;
    }
    member.lost = true;
    opening.remove(member);
    member.end = how;
    Round open = round;
    RoleWorker.Failed failed = member.gone(open == null ? "wait" : open.activity);
    broken = broken == null ? failed : broken;
    if (open != null) {
      answer(failed);
    }
  }

  /** Begins what waits. */
  private Behavior<RoleWorker.Command> next() {
    while (opening.isEmpty() && round == null && !waiting.isEmpty()) {
      RoleWorker.Command command = waiting.remove();
      if (command instanceof RoleWorker.Stop stop) {
        return stop(stop);
      }
      RoleWorker.Request request = (RoleWorker.Request) command;
      if (broken != null) {
        request.replyTo().tell(broken);
      } else {
        asker = request.replyTo();
        begin(request.work());
      }
    }
    return this;
  }

  private void begin(RoleWorker.Work work) {
    if (work instanceof RoleWorker.Evaluate evaluate) {
      evaluate(evaluate);
    } else if (work instanceof RoleWorker.Accumulate<?> accumulate) {
      accumulate(accumulate);
    } else if (work instanceof RoleWorker.Load) {
      all(work.activity(), rank -> work, replies -> compared(replies, this::choose));
    } else if (work instanceof RoleWorker.Step step && sharded) {
      IntFunction<RoleWorker.Together> together = together();
      all(
          work.activity(),
          rank -> new RoleWorker.StepShare(step.settings(), together.apply(rank)),
          replies -> compared(replies, this::answer));
    } else if (work instanceof RoleWorker.Save save && sharded && spec.emaDecay().isPresent()) {
      IntFunction<RoleWorker.Together> together = together();
      all(
          work.activity(),
          rank -> new RoleWorker.SaveShare(save.directory(), together.apply(rank)),
          replies -> answer(replies.get(0)));
    } else if (work instanceof RoleWorker.Checkpoint && sharded) {
      all(work.activity(), rank -> work, replies -> answer(replies.get(0)));
    } else if (work instanceof RoleWorker.Step || work instanceof RoleWorker.Restore) {
      all(work.activity(), rank -> work, replies -> compared(replies, this::answer));
    } else {
      ask(work.activity(), 1, rank -> work, replies -> answer(replies.get(0)));
    }
  }

  private void evaluate(RoleWorker.Evaluate work) {
    all(
        work.activity(),
        rank -> new RoleWorker.EvaluateShare(work.sequences(), work.outputs(), share(rank)),
        replies -> {
          TokenOutputs[] said = new TokenOutputs[work.sequences().size()];
          for (RoleWorker.Reply reply : replies) {
            RoleWorker.EvaluatedShare part = (RoleWorker.EvaluatedShare) reply;
            for (int i = 0; i < part.items().size(); i++) {
              said[part.items().get(i)] = part.outputs().get(i);
            }
          }
          int missing = Arrays.asList(said).indexOf(null);
          answer(
              missing < 0
                  ? new RoleWorker.Evaluated(List.of(said))
                  : new RoleWorker.Failed(
                      "no replica of the " + name() + " took the sequence " + missing, false));
        });
  }

  private <E extends Example> void accumulate(RoleWorker.Accumulate<E> work) {
    IntFunction<RoleWorker.Together> together = together();
    all(
        work.activity(),
        rank ->
            new RoleWorker.AccumulateShare<>(
                work.objective(), work.examples(), work.totals(), together.apply(rank)),
        replies -> differing(replies).ifPresentOrElse(this::answer, () -> answer(replies.get(0))));
  }

  /** Of the next exchange. */
  private IntFunction<RoleWorker.Together> together() {
    exchanges++;
    long number = exchanges;
    List<ActorRef<RoleWorker.Command>> workers = members.stream().map(Member::worker).toList();
    RoleWorker.Carriage carriage = carriage();
    return rank -> new RoleWorker.Together(share(rank), workers, number, carriage);
  }

  private RoleWorker.Carriage carriage() {
    return new RoleWorker.Carriage(
        byGloo, !byGloo || !exchanging.fast(), group, deadline.toMillis());
  }

  private Share share(int rank) {
    return new Share(rank, members.size());
  }

  /** After what all must have done alike: what they answered, and what they have now. */
  private void compared(List<RoleWorker.Reply> replies, Consumer<RoleWorker.Reply> then) {
    Optional<RoleWorker.Failed> other = differing(replies);
    if (other.isPresent()) {
      answer(other.get());
      return;
    }
    all(
        "compare parameters",
        rank -> new RoleWorker.Fingerprint(),
        prints ->
            differing(prints).ifPresentOrElse(this::answer, () -> then.accept(replies.get(0))));
  }

  /** What carries gradients, where there will be some. */
  private void choose(RoleWorker.Reply loaded) {
    if (spec.optimizer().isEmpty()) {
      answer(loaded);
    } else if (exchanging.by() == Exchanging.By.MESSAGES) {
      told("by messages");
      answer(loaded);
    } else {
      RoleWorker.Carry carry = new RoleWorker.Carry();
      all(carry.activity(), rank -> carry, replies -> chosen(lacking(replies), loaded));
    }
  }

  private void chosen(Optional<String> lacking, RoleWorker.Reply loaded) {
    if (lacking.isPresent() && exchanging.by() == Exchanging.By.GLOO) {
      answer(
          new RoleWorker.Failed(
              "cluster.exchange is gloo, but "
                  + lacking.get()
                  + ". Let cluster.exchange be auto or messages",
              true));
      return;
    }
    byGloo = lacking.isEmpty();
    told(
        lacking
            .map(
                why ->
                    "by messages, as "
                        + why
                        + (exchanging.fast() ? "; so cluster.reduction is ordered" : ""))
            .orElse(exchanging.fast() ? "by Gloo, in its own order" : "by Gloo"));
    answer(loaded);
  }

  private void told(String how) {
    notices.accept(
        "the "
            + members.size()
            + " replicas of the "
            + name()
            + " exchange gradients "
            + how
            + (sharded ? "; each holds a shard of the optimiser's state" : ""));
  }

  /** Why they cannot exchange by Gloo, if so. */
  private Optional<String> lacking(List<RoleWorker.Reply> replies) {
    RoleWorker.Carries first = (RoleWorker.Carries) replies.get(0);
    for (int rank = 0; rank < replies.size(); rank++) {
      RoleWorker.Carries one = (RoleWorker.Carries) replies.get(rank);
      String who = "the " + members.get(rank).name + " on " + members.get(rank).node;
      if (!one.lacks().isEmpty()) {
        return Optional.of(who + " cannot exchange by Gloo: " + one.lacks());
      }
      if (!one.build().equals(first.build())) {
        return Optional.of(
            who
                + " has another native library than the "
                + name()
                + " on "
                + members.get(0).node
                + " ("
                + brief(one.build())
                + ", expected "
                + brief(first.build())
                + "); have the same build of Troupe on every node");
      }
    }
    return Optional.empty();
  }

  private static String brief(String hash) {
    return hash.substring(0, Math.min(12, hash.length()));
  }

  /** What is wrong where one has not answered as the first. */
  private Optional<RoleWorker.Failed> differing(List<RoleWorker.Reply> replies) {
    for (int rank = 1; rank < replies.size(); rank++) {
      if (!replies.get(rank).equals(replies.get(0))) {
        return Optional.of(differs(members.get(rank), replies.get(rank), replies.get(0)));
      }
    }
    return Optional.empty();
  }

  private RoleWorker.Failed differs(
      Member member, RoleWorker.Reply found, RoleWorker.Reply expected) {
    String who = "the " + member.name + " on " + member.node;
    String first = "the " + name() + " on " + members.get(0).node;
    if (found instanceof RoleWorker.Fingerprinted print
        && expected instanceof RoleWorker.Fingerprinted other
        && !print.model().equals(other.model())) {
      return new RoleWorker.Failed(
          who
              + " has other bytes in its model than "
              + first
              + ": "
              + print.model()
              + ", expected "
              + other.model()
              + ". Put the same files under the same path on every node",
          true);
    }
    return new RoleWorker.Failed(
        who
            + " is not what "
            + first
            + " is, which it must be to the bit: found "
            + found
            + ", expected "
            + expected
            + ". Do all nodes have processors of one kind, and the same libraries? The run can be"
            + " resumed",
        false);
  }

  private String name() {
    return members.get(0).name;
  }

  private Behavior<RoleWorker.Command> stop(RoleWorker.Stop stop) {
    ending = true;
    members.stream()
        .filter(member -> !member.lost)
        .forEach(
            member ->
                member.worker().tell(new RoleWorker.Stop(getContext().getSystem().ignoreRef())));
    stop.replyTo().tell(new RoleWorker.Finished());
    return Behaviors.stopped();
  }

  // Rounds.

  private void all(
      String activity, IntFunction<RoleWorker.Work> work, Consumer<List<RoleWorker.Reply>> then) {
    ask(activity, members.size(), work, then);
  }

  private void ask(
      String activity,
      int asked,
      IntFunction<RoleWorker.Work> work,
      Consumer<List<RoleWorker.Reply>> then) {
    Round next = new Round(activity, asked, then);
    round = next;
    for (int i = 0; i < asked; i++) {
      int rank = i;
      RoleWorker.Work own = work.apply(rank);
      getContext()
          .ask(
              RoleWorker.Reply.class,
              members.get(rank).worker(),
              deadline,
              replyTo -> new RoleWorker.Request(own, replyTo),
              (reply, failure) -> new Answered(next, rank, reply, failure));
    }
  }

  private Behavior<RoleWorker.Command> onAnswered(Answered answered) {
    Round open = answered.round();
    if (open != round) {
      return this;
    }
    RoleWorker.Reply reply = answered.reply();
    if (reply == null && Member.hasEnded(answered.failure())) {
      lost(members.get(answered.rank()), "ended");
      return next();
    }
    if (reply == null) {
      broken = overdue(members.get(answered.rank()), open.activity, answered.failure());
      answer(broken);
      return next();
    }
    open.replies[answered.rank()] = reply;
    open.missing--;
    if (open.missing == 0) {
      List<RoleWorker.Reply> replies = List.of(open.replies);
      replies.stream()
          .filter(RoleWorker.Failed.class::isInstance)
          .findFirst()
          .ifPresentOrElse(this::answer, () -> open.then.accept(replies));
    }
    return next();
  }

  private RoleWorker.Failed overdue(Member member, String activity, @Nullable Throwable failure) {
    String who = "the " + member.name + " on " + member.node;
    return new RoleWorker.Failed(
        failure instanceof TimeoutException
            ? who
                + " did not answer '"
                + activity
                + "' within "
                + deadline.toSeconds()
                + " s (cluster.request-timeout-seconds)"
            : who + " failed to " + activity + ": " + failure,
        false);
  }

  /** To whoever asked for what is in hand. */
  private void answer(RoleWorker.Reply reply) {
    round = null;
    if (reply instanceof RoleWorker.Failed) {
      group++;
    }
    if (asker != null) {
      asker.tell(reply);
      asker = null;
    }
  }
}
