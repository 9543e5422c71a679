package dev.troupe.actors.role;

import dev.troupe.protocol.data.Numerics;
import dev.troupe.protocol.data.Output;
import dev.troupe.protocol.data.Part;
import dev.troupe.protocol.data.Rollout;
import dev.troupe.protocol.data.Sequence;
import dev.troupe.protocol.data.TokenOutputs;
import dev.troupe.protocol.message.RoleWorker;
import java.util.List;
import java.util.Optional;
import java.util.function.BiConsumer;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/**
 * One list of prompts on its way through a {@link RolloutDispatcher}, in whose messages all of this
 * runs: workers that have its weights answer portions, and as soon as a part of the answers is
 * there it is told.
 */
final class RolloutRound {
  /** The dispatcher, as a round needs it. */
  interface Desk {
    /** Asks a worker, and goes on with its reply; at once where it is lost. */
    void send(Member member, RoleWorker.Work work, Consumer<RoleWorker.Reply> then);

    /** A worker is free, or something waits for one. */
    void handOut();

    /** A worker has sampled so: whether what it says depends on nothing sampled beside it. */
    void sampled(boolean byRow);

    /** The round was answered. */
    void ended(RolloutRound over);
  }

  /**
   * Who asks.
   *
   * @param heard is told the answers of each part of the prompts, as soon as they are there
   * @param then is told all answers, or why there are none
   */
  record Asker(BiConsumer<Part, List<Rollout>> heard, Consumer<RoleWorker.Reply> then) {}

  private final Portions portions;
  private final Member learner;
  private final Numerics numerics;
  private final Desk desk;
  private final Asker asker;
  private @Nullable Offer offer;
  private int untold;
  private boolean learnerMoves;
  private boolean over;

  /**
   * @param begun how many workers the run began with
   * @param numerics of the role, which say whether log-probabilities are computed again
   */
  RolloutRound(
      RoleWorker.Generate work,
      int begun,
      Member learner,
      Numerics numerics,
      Desk desk,
      Asker asker) {
    portions = new Portions(work, begun);
    untold = Part.of(work.prompts().size(), work.answers()).size();
    this.learner = learner;
    this.numerics = numerics;
    this.desk = desk;
    this.asker = asker;
  }

  boolean isOver() {
    return over;
  }

  /** The weights that it is answered by; absent until the learner has lent them. */
  @Nullable Offer offer() {
    return offer;
  }

  void lent(Offer weights) {
    offer = weights;
  }

  /** Portions that nobody has. */
  int waiting() {
    return over ? 0 : portions.waiting();
  }

  /** The learner becomes another while this goes on: it can score nothing again. */
  void learnerMoves() {
    learnerMoves = true;
  }

  /** Nobody is there to answer, and nobody will be. */
  void abandoned() {
    fail(
        new RoleWorker.Failed(
            "every rollout worker is lost: their nodes ended, and "
                + portions.unanswered()
                + " portions of the prompts have no answer. See the nodes' logs; the run can be"
                + " resumed",
            false));
  }

  /** One that is free and has the weights gets the next portion. */
  void give(Offer weights, Member worker) {
    Portions.Portion portion = portions.next();
    worker.busy = true;
    desk.send(
        worker,
        portions.work(portion),
        reply -> {
          worker.busy = false;
          if (!over && worker.lost) {
            portions.giveBack(portion);
          } else if (!over) {
            answered(weights, worker, portion, reply);
          }
          desk.handOut();
        });
  }

  private void answered(
      Offer weights, Member worker, Portions.Portion portion, RoleWorker.Reply reply) {
    if (!(reply instanceof RoleWorker.Generated generated)) {
      fail(reply);
      return;
    }
    desk.sampled(generated.byRow());
    Optional<String> wrong =
        portions
            .fault(portion, generated.rollouts())
            .or(() -> stale(generated.rollouts(), weights.weights.adapterVersion()))
            .or(() -> late(generated.byRow()));
    if (wrong.isPresent()) {
      fail(new RoleWorker.Failed(worker.name + " on " + worker.node + " " + wrong.get(), false));
      return;
    }
    for (Part part : portions.answered(portion, generated)) {
      complete(part);
    }
  }

  private Optional<String> stale(List<Rollout> rollouts, long version) {
    return rollouts.stream()
        .map(Rollout::adapterVersion)
        .filter(other -> other != version)
        .findFirst()
        .map(
            other ->
                "answered with weights of version "
                    + other
                    + ", the "
                    + learner.name
                    + "'s are of version "
                    + version);
  }

  private Optional<String> late(boolean byRow) {
    return learnerMoves && numerics.scoresAgain(byRow)
        ? Optional.of(
            "gave log-probabilities that depend on what it sampled beside them, unlike the nodes"
                + " before it, and the "
                + learner.name
                + " has learned since (rollouts.staleness), so that they cannot be computed again"
                + " as training does (engine.strict = auto). Give all rollout nodes processors of"
                + " one kind, or let engine.strict be never; the run can be resumed")
        : Optional.empty();
  }

  private void complete(Part part) {
    List<Rollout> rollouts = portions.answers(part);
    List<Sequence> sequences = Rollout.toScore(rollouts);
    if (sequences.isEmpty() || !numerics.scoresAgain(portions.byRow(part))) {
      tell(part, rollouts);
      return;
    }
    desk.send(
        learner,
        new RoleWorker.Evaluate(sequences, List.of(Output.LOGPROBS)),
        reply -> scoredAgain(part, rollouts, sequences, reply));
  }

  private void scoredAgain(
      Part part, List<Rollout> rollouts, List<Sequence> sequences, RoleWorker.Reply reply) {
    if (over) {
      return;
    }
    if (!(reply instanceof RoleWorker.Evaluated evaluated)) {
      fail(reply);
      return;
    }
    try {
      List<TokenOutputs> said =
          new Asked("the " + learner.name + " on " + learner.node)
              .saidOf(sequences, List.of(Output.LOGPROBS), evaluated.outputs());
      List<Rollout> again = Rollout.scoredAgain(rollouts, all -> said);
      portions.replace(part, again);
      tell(part, again);
    } catch (RoleException e) {
      fail(new RoleWorker.Failed(String.valueOf(e.getMessage()), false));
    }
  }

  private void tell(Part part, List<Rollout> rollouts) {
    asker.heard().accept(part, rollouts);
    untold--;
    if (untold == 0) {
      end(new RoleWorker.Generated(portions.answers(), true));
    }
  }

  /** It ends so. */
  void fail(RoleWorker.Reply why) {
    if (!over) {
      end(why);
    }
  }

  private void end(RoleWorker.Reply answer) {
    over = true;
    desk.ended(this);
    asker.then().accept(answer);
  }
}
