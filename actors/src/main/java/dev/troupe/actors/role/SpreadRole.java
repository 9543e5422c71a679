package dev.troupe.actors.role;

import dev.troupe.protocol.data.Accumulated;
import dev.troupe.protocol.data.BatchTotals;
import dev.troupe.protocol.data.Example;
import dev.troupe.protocol.data.Objective;
import dev.troupe.protocol.data.Output;
import dev.troupe.protocol.data.Prompt;
import dev.troupe.protocol.data.RoleSpec;
import dev.troupe.protocol.data.Rollout;
import dev.troupe.protocol.data.SamplingSettings;
import dev.troupe.protocol.data.Sequence;
import dev.troupe.protocol.data.StepResult;
import dev.troupe.protocol.data.StepSettings;
import dev.troupe.protocol.data.TokenOutputs;
import dev.troupe.rlhf.port.Role;
import dev.troupe.rlhf.port.Sampler;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;
import java.util.function.Consumer;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/**
 * A policy that learns on one node while others answer its prompts. Each answering role, a
 * follower, takes the policy's weights before its first prompts of their version. Requests are
 * begun in the order they come, and one that comes after prompts waits for their answers.
 */
final class SpreadRole implements Role {
  private final ActorRole policy;
  private final Supplier<List<CompletionStage<Optional<ActorRole>>>> opener;
  private final Consumer<ActorRole> lost;

  /** Completes when the request before the next one has begun, or has been answered if need be. */
  private CompletableFuture<?> before = CompletableFuture.completedFuture(null);

  /** Opened with the first prompts: many a stage has none. */
  private @Nullable CompletableFuture<List<Follower>> followers;

  /**
   * @param opener opens the roles that answer; one whose node is gone is empty
   * @param lost hears of one whose node has ended
   */
  SpreadRole(
      ActorRole policy,
      Supplier<List<CompletionStage<Optional<ActorRole>>>> opener,
      Consumer<ActorRole> lost) {
    this.policy = policy;
    this.opener = opener;
    this.lost = lost;
  }

  @Override
  public RoleSpec spec() {
    return policy.spec();
  }

  @Override
  public synchronized CompletionStage<List<List<Rollout>>> sample(
      List<Prompt> prompts, int many, SamplingSettings settings) {
    List<Prompt> asked = List.copyOf(prompts);
    CompletableFuture<List<Rollout>> answers =
        before
            .thenCompose(ready -> policy.lend())
            .thenCombine(
                followers(),
                (lent, all) -> new Round(policy, lent, all, asked, many, settings, lost))
            .thenCompose(Round::answer);
    before = answers.handle((done, failure) -> null);
    return answers.thenApply(rollouts -> Sampler.grouped(rollouts, many));
  }

  private synchronized CompletableFuture<List<Follower>> followers() {
    if (followers == null) {
      List<CompletableFuture<Optional<ActorRole>>> opening =
          opener.get().stream().map(CompletionStage::toCompletableFuture).toList();
      followers =
          CompletableFuture.allOf(opening.toArray(CompletableFuture[]::new))
              .thenApply(
                  done ->
                      opening.stream()
                          .flatMap(opened -> opened.join().stream())
                          .map(Follower::new)
                          .toList());
    }
    return followers;
  }

  /** Begins a request to the policy when it is its turn. */
  private synchronized <T> CompletionStage<T> inTurn(Supplier<CompletionStage<T>> request) {
    // The request is begun within its place in the queue and answered outside of it.
    CompletableFuture<CompletionStage<T>> begun = before.thenApply(ready -> request.get());
    before = begun;
    return begun.thenCompose(answer -> answer);
  }

  @Override
  public CompletionStage<List<TokenOutputs>> evaluate(
      List<Sequence> sequences, Set<Output> outputs) {
    return inTurn(() -> policy.evaluate(sequences, outputs));
  }

  @Override
  public <E extends Example> CompletionStage<Accumulated> accumulate(
      Objective<E> objective, List<E> examples, BatchTotals totals) {
    return inTurn(() -> policy.accumulate(objective, examples, totals));
  }

  @Override
  public CompletionStage<StepResult> step(Optional<StepSettings> settings) {
    return inTurn(() -> policy.step(settings));
  }

  @Override
  public CompletionStage<Void> save(String directory) {
    return inTurn(() -> policy.save(directory));
  }

  @Override
  public CompletionStage<Void> checkpoint(String directory) {
    return inTurn(() -> policy.checkpoint(directory));
  }

  @Override
  public CompletionStage<Void> restore(String directory) {
    return inTurn(
        () -> {
          forget();
          return policy.restore(directory);
        });
  }

  /** No round is open now, but the followers may still be opening: then they have no weights. */
  private synchronized void forget() {
    if (followers != null && followers.isDone() && !followers.isCompletedExceptionally()) {
      followers.join().forEach(Follower::forget);
    }
  }

  @Override
  public synchronized CompletionStage<Void> close() {
    List<CompletableFuture<Void>> closing = new ArrayList<>();
    closing.add(inTurn(policy::close).toCompletableFuture());
    if (followers != null) {
      closing.add(
          followers.thenCompose(
              all ->
                  CompletableFuture.allOf(
                      all.stream()
                          .map(follower -> follower.role().close().toCompletableFuture())
                          .toArray(CompletableFuture[]::new))));
    }
    return CompletableFuture.allOf(closing.toArray(CompletableFuture[]::new));
  }
}
