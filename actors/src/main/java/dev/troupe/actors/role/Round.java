package dev.troupe.actors.role;

import dev.troupe.protocol.data.Prompt;
import dev.troupe.protocol.data.Rollout;
import dev.troupe.protocol.data.SamplingSettings;
import dev.troupe.protocol.message.RoleWorker;
import java.util.ArrayDeque;
import java.util.Collection;
import java.util.Deque;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.CompletionStage;
import java.util.function.Consumer;

/**
 * One list of prompts, answered by many. A follower that is free gets the next portion, so that a
 * slow one does less; what a lost one had goes to another. A portion's answers depend on its
 * prompts, the seed and the weights, and not on who gives them.
 */
final class Round {
  /** Prompts that fill an engine; where there are many more, a follower has portions of a share. */
  private static final int FULL = 16;

  private static final int PORTIONS_OF_A_SHARE = 4;

  /** How many take weights from one role at a time. */
  private static final int BORROWERS = 2;

  /** Consecutive prompts. */
  private record Portion(int from, List<Prompt> prompts) {}

  private final ActorRole policy;
  private final RoleWorker.Lent lent;
  private final int many;
  private final SamplingSettings settings;
  private final Consumer<ActorRole> lost;
  private final CompletableFuture<List<Rollout>> whole = new CompletableFuture<>();

  // Guarded by this.
  private final Rollout[] answers;
  private final Deque<Portion> waiting = new ArrayDeque<>();

  /** Free, with the weights. */
  private final Deque<Follower> ready = new ArrayDeque<>();

  /** Free, without the weights. */
  private final Borrowers<Follower> without = new Borrowers<>(follower -> follower.role().node());

  private final Set<Follower> alive;
  private int unanswered;

  /** Who has the weights, as often as others may take them from it now. */
  private final Deque<ActorRole> lenders = new ArrayDeque<>();

  /**
   * @param policy whose weights, {@code lent}, answer
   * @param lost hears of a follower whose node has ended
   */
  Round(
      ActorRole policy,
      RoleWorker.Lent lent,
      Collection<Follower> followers,
      List<Prompt> prompts,
      int many,
      SamplingSettings settings,
      Consumer<ActorRole> lost) {
    this.policy = policy;
    this.lent = lent;
    this.many = many;
    this.settings = settings;
    this.lost = lost;
    alive = new LinkedHashSet<>(followers);
    alive.removeIf(follower -> follower.role().isLost());
    lendsOn(policy);
    without.reached(policy.node());
    for (Follower follower : alive) {
      if (follower.has(lent)) {
        lendsOn(follower.role());
        ready.add(follower);
        without.reached(follower.role().node());
      } else {
        without.add(follower);
      }
    }
    answers = new Rollout[prompts.size() * many];
    int size = portion(prompts.size(), alive.size());
    for (int from = 0; from < prompts.size(); from += size) {
      waiting.add(new Portion(from, prompts.subList(from, Math.min(prompts.size(), from + size))));
    }
    unanswered = waiting.size();
  }

  /** How many prompts a follower gets at a time. */
  static int portion(int prompts, int followers) {
    int share = ceil(prompts, Math.max(1, followers));
    return Math.max(1, Math.min(share, Math.max(FULL, ceil(share, PORTIONS_OF_A_SHARE))));
  }

  private static int ceil(int all, int parts) {
    return (all + parts - 1) / parts;
  }

  /** The answers in the prompts' order. */
  CompletionStage<List<Rollout>> answer() {
    if (unanswered == 0) {
      whole.complete(List.of());
    }
    handOut();
    return whole;
  }

  /** Gives those who are free what waits. */
  private synchronized void handOut() {
    if (alive.isEmpty() && unanswered > 0) {
      whole.completeExceptionally(
          new RoleException(
              "every rollout worker is lost: their nodes ended, and "
                  + unanswered
                  + " portions of the prompts have no answer. See the nodes' logs; the run can be"
                  + " resumed",
              false));
      return;
    }
    while (!waiting.isEmpty() && !ready.isEmpty()) {
      answer(ready.remove(), waiting.remove());
    }
    // Each lender is asked once: one that nobody needs now may be needed later.
    for (int i = lenders.size(); i > 0 && !waiting.isEmpty(); i--) {
      ActorRole lender = lenders.poll();
      if (lender == null) {
        // What was taken came at once, and others were handed out meanwhile.
        return;
      }
      if (lender != policy && lender.isLost()) {
        without.lost(lender.node());
        continue;
      }
      Follower follower = without.next(lender.node());
      if (follower == null) {
        lenders.add(lender);
      } else {
        take(follower, lender);
      }
    }
  }

  /** Who has the weights lends them on, so that they are everywhere in a few steps. */
  private void take(Follower follower, ActorRole lender) {
    follower
        .take(lender, lent)
        .whenComplete(
            (done, failure) -> {
              if (failure != null) {
                failed(follower, lender, failure);
                return;
              }
              synchronized (this) {
                lenders.add(lender);
                lendsOn(follower.role());
                ready.add(follower);
                handOut();
              }
            });
  }

  private void lendsOn(ActorRole role) {
    for (int i = 0; i < BORROWERS; i++) {
      lenders.add(role);
    }
  }

  private void answer(Follower follower, Portion portion) {
    follower
        .answer(lent, portion.prompts(), many, settings)
        .whenComplete(
            (rollouts, failure) -> {
              if (failure == null) {
                answered(follower, portion, rollouts);
              } else {
                failed(follower, portion, failure);
              }
            });
  }

  private void answered(Follower follower, Portion portion, List<Rollout> rollouts) {
    synchronized (this) {
      for (int i = 0; i < rollouts.size(); i++) {
        answers[portion.from() * many + i] = rollouts.get(i);
      }
      unanswered--;
      ready.add(follower);
      if (unanswered > 0) {
        handOut();
        return;
      }
    }
    whole.complete(List.of(answers));
  }

  /** A portion that a lost follower had waits again; any other failure ends the round. */
  private void failed(Follower follower, Portion portion, Throwable failure) {
    if (!follower.role().isLost()) {
      fail(failure);
      return;
    }
    lost.accept(follower.role());
    synchronized (this) {
      alive.remove(follower);
      waiting.addFirst(portion);
      handOut();
    }
  }

  /**
   * Weights did not come: for want of who was to take them, or of who had them. The end of either
   * may be known there before it is here; so a lender other than the policy is passed over from now
   * on, and it is the policy's failure that counts.
   */
  private void failed(Follower follower, ActorRole lender, Throwable failure) {
    boolean gone = follower.role().isLost();
    if (!gone && lender == policy) {
      fail(failure);
      return;
    }
    if (gone) {
      lost.accept(follower.role());
    }
    synchronized (this) {
      if (gone) {
        alive.remove(follower);
        if (!lender.isLost()) {
          lenders.add(lender);
        }
      } else {
        lenders.removeIf(other -> other == lender);
        without.add(follower);
      }
      without.lost(follower.role().node());
      handOut();
    }
  }

  private void fail(Throwable failure) {
    whole.completeExceptionally(
        failure instanceof CompletionException && failure.getCause() != null
            ? failure.getCause()
            : failure);
  }
}
