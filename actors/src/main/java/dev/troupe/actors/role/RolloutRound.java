package dev.troupe.actors.role;

import dev.troupe.protocol.data.Rollout;
import dev.troupe.protocol.message.RoleWorker;
import java.util.List;
import java.util.Optional;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/**
 * One list of prompts on its way through a {@link RolloutDispatcher}, in whose messages all of this
 * runs: the learner lends its weights, workers take them and answer portions.
 */
final class RolloutRound {
  /** The dispatcher, as a round needs it. */
  interface Desk {
    /** Asks a worker, and goes on with its reply; at once where it is lost. */
    void send(Member member, RoleWorker.Work work, Consumer<RoleWorker.Reply> then);

    /** Whether there are places for workers that are not yet opened. */
    boolean mayGain();

    /** The round was answered. */
    void ended(RolloutRound over);

    /** A worker can take part in whatever round there is. */
    void isFree(Member worker);
  }

  private final Portions portions;
  private final Member learner;
  private final List<Member> workers;
  private final Desk desk;
  private final Consumer<RoleWorker.Reply> then;
  private final Lending<Member> lending = new Lending<>(Member::node);
  private RoleWorker.@Nullable Lent lent;
  private boolean byRow = true;
  private boolean over;

  /**
   * @param begun how many workers the run began with
   * @param workers those that are there now; lost ones leave it
   * @param then is told all answers, or why there are none
   */
  RolloutRound(
      RoleWorker.Generate work,
      int begun,
      Member learner,
      List<Member> workers,
      Desk desk,
      Consumer<RoleWorker.Reply> then) {
    portions = new Portions(work, begun);
    this.learner = learner;
    this.workers = workers;
    this.desk = desk;
    this.then = then;
  }

  void begin() {
    desk.send(learner, new RoleWorker.Lend(), this::lent);
  }

  private void lent(RoleWorker.Reply reply) {
    if (!(reply instanceof RoleWorker.Lent weights)) {
      fail(reply);
      return;
    }
    if (over) {
      return;
    }
    lent = weights;
    lending.has(learner);
    for (Member worker : workers) {
      if (worker.loaded && !worker.busy) {
        enter(worker, weights);
      }
    }
    handOut();
  }

  /** One that is there, and free, takes part. */
  void join(Member worker) {
    if (lent != null && !worker.lost) {
      enter(worker, lent);
      handOut();
    }
  }

  private void enter(Member worker, RoleWorker.Lent weights) {
    if (worker.has(weights)) {
      lending.has(worker);
    } else {
      lending.wants(worker);
    }
  }

  /** One is gone: nobody takes from it, and nothing is brought to it. */
  void without(Member worker) {
    lending.lost(worker);
  }

  /** Gives those who are free what waits. */
  void handOut() {
    if (over) {
      return;
    }
    if (workers.isEmpty() && !desk.mayGain()) {
      fail(
          new RoleWorker.Failed(
              "every rollout worker is lost: their nodes ended, and "
                  + portions.unanswered()
                  + " portions of the prompts have no answer. See the nodes' logs; the run can be"
                  + " resumed",
              false));
      return;
    }
    RoleWorker.Lent weights = lent;
    if (weights == null) {
      return;
    }
    for (Member worker : workers) {
      if (worker.loaded && !worker.busy && worker.has(weights) && portions.isWaiting()) {
        answer(weights, worker, portions.next());
      }
    }
    while (portions.isWaiting()) {
      Optional<Lending.Loan<Member>> loan = lending.next();
      if (loan.isEmpty()) {
        return;
      }
      take(weights, loan.get());
    }
  }

  private void take(RoleWorker.Lent weights, Lending.Loan<Member> loan) {
    Member borrower = loan.borrower();
    borrower.busy = true;
    desk.send(
        borrower,
        new RoleWorker.Take(loan.lender().worker(), weights.adapterVersion(), weights.parts()),
        reply -> {
          borrower.busy = false;
          if (reply instanceof RoleWorker.Finished) {
            borrower.took(weights);
          } else {
            borrower.forgetVersion();
          }
          if (over) {
            desk.isFree(borrower);
          } else {
            taken(loan, borrower.has(weights), reply);
          }
        });
  }

  private void taken(Lending.Loan<Member> loan, boolean took, RoleWorker.Reply reply) {
    Member borrower = loan.borrower();
    Member lender = loan.lender();
    if (took) {
      lending.done(loan);
    } else {
      lending.failed(loan);
      if (!borrower.lost && lender == learner) {
        fail(reply);
        return;
      }
      if (!borrower.lost) {
        // That the lender has ended, the borrower may know sooner than the dispatcher.
        lending.lost(lender);
        lending.wants(borrower);
      }
    }
    if (lender.lost) {
      lending.lost(lender);
    }
    handOut();
  }

  private void answer(RoleWorker.Lent weights, Member worker, Portions.Portion portion) {
    worker.busy = true;
    desk.send(
        worker,
        portions.work(portion),
        reply -> {
          worker.busy = false;
          if (over) {
            desk.isFree(worker);
          } else if (worker.lost) {
            portions.giveBack(portion);
            handOut();
          } else {
            answered(weights, worker, portion, reply);
          }
        });
  }

  private void answered(
      RoleWorker.Lent weights, Member worker, Portions.Portion portion, RoleWorker.Reply reply) {
    if (!(reply instanceof RoleWorker.Generated generated)) {
      fail(reply);
      return;
    }
    Optional<String> wrong =
        portions
            .fault(portion, generated.rollouts())
            .or(() -> stale(generated.rollouts(), weights.adapterVersion()));
    if (wrong.isPresent()) {
      fail(new RoleWorker.Failed(worker.name + " on " + worker.node + " " + wrong.get(), false));
      return;
    }
    portions.answered(portion, generated.rollouts());
    byRow &= generated.byRow();
    if (portions.unanswered() == 0) {
      end(new RoleWorker.Generated(portions.answers(), byRow));
    } else {
      handOut();
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

  /** It ends so. */
  void fail(RoleWorker.Reply why) {
    if (!over) {
      end(why);
    }
  }

  private void end(RoleWorker.Reply answer) {
    over = true;
    desk.ended(this);
    then.accept(answer);
  }
}
