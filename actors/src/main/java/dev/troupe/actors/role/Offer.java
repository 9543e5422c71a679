package dev.troupe.actors.role;

import dev.troupe.protocol.message.RoleWorker;

/**
 * Weights of one version, as the learner lends them to those who answer prompts with them: who has
 * them, and who is to take them.
 */
final class Offer {
  final RoleWorker.Lent weights;
  final Lending<Member> lending = new Lending<>(Member::node);
  private int coming;

  Offer(RoleWorker.Lent weights) {
    this.weights = weights;
  }

  /** Workers that wait for them, or are taking them. */
  int coming() {
    return coming;
  }

  /** A worker waits for them, and for no others any more. */
  void awaitedBy(Member worker) {
    release(worker);
    worker.awaits = this;
    coming++;
    lending.wants(worker);
  }

  /** A worker has taken them, or could not. */
  void arrived(Member worker) {
    if (worker.awaits == this) {
      worker.awaits = null;
      coming--;
    }
  }

  /** A worker waits for nothing any more. */
  static void release(Member worker) {
    Offer awaited = worker.awaits;
    if (awaited != null) {
      awaited.arrived(worker);
      awaited.lending.lost(worker);
    }
  }
}
