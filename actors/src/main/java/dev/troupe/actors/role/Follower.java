package dev.troupe.actors.role;

import dev.troupe.protocol.data.Prompt;
import dev.troupe.protocol.data.Rollout;
import dev.troupe.protocol.data.SamplingSettings;
import dev.troupe.protocol.message.RoleWorker;
import java.util.List;
import java.util.concurrent.CompletionStage;

/** A role that answers prompts with weights that it takes from another. */
final class Follower {
  private static final long NONE = -1;

  private final ActorRole role;
  private volatile long version = NONE;

  Follower(ActorRole role) {
    this.role = role;
  }

  ActorRole role() {
    return role;
  }

  /** The policy has become another: its version says nothing any more. */
  void forget() {
    version = NONE;
  }

  /** Whether it has the weights that are lent, and can lend them on. */
  boolean has(RoleWorker.Lent lent) {
    return version == lent.adapterVersion();
  }

  /** Takes the weights from a role that has them. */
  CompletionStage<Void> take(ActorRole lender, RoleWorker.Lent lent) {
    return role.take(lender, lent).thenAccept(done -> version = lent.adapterVersion());
  }

  /** Fails when an answer is not of the weights that are lent. */
  CompletionStage<List<Rollout>> answer(
      RoleWorker.Lent lent, List<Prompt> prompts, int many, SamplingSettings settings) {
    return role.sample(prompts, many, settings)
        .thenApply(groups -> groups.stream().flatMap(List::stream).toList())
        .thenApply(rollouts -> checked(lent, prompts.size() * many, rollouts));
  }

  private List<Rollout> checked(RoleWorker.Lent lent, int asked, List<Rollout> rollouts) {
    if (rollouts.size() != asked) {
      throw new RoleException(
          named() + " was asked for " + asked + " answers, gave " + rollouts.size(), false);
    }
    for (Rollout rollout : rollouts) {
      if (rollout.adapterVersion() != lent.adapterVersion()) {
        throw new RoleException(
            named()
                + " answered with weights of version "
                + rollout.adapterVersion()
                + ", the policy's are of version "
                + lent.adapterVersion(),
            false);
      }
    }
    return rollouts;
  }

  private String named() {
    return role.spec().name() + " on " + role.node();
  }
}
