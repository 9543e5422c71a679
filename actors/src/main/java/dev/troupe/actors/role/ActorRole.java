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
import dev.troupe.protocol.message.RoleWorker;
import dev.troupe.rlhf.port.Role;
import dev.troupe.rlhf.port.Sampler;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.TimeoutException;
import java.util.concurrent.atomic.AtomicLong;
import java.util.function.Function;
import org.apache.pekko.actor.typed.ActorRef;
import org.apache.pekko.actor.typed.ActorSystem;
import org.apache.pekko.actor.typed.javadsl.AskPattern;

/** The port's role, by messages to a {@link RoleActor} here or on another node. */
final class ActorRole implements Role {
  /** A request under way, and the answer it gets when the worker ends. */
  private record Pending(String activity, CompletableFuture<RoleWorker.Reply> lost) {}

  private final RoleSpec spec;
  private final String node;
  private final ActorRef<RoleWorker.Command> worker;

  /** What is still to be answered, by its number. */
  private final Map<Long, Pending> pending = new ConcurrentHashMap<>();

  private final AtomicLong asked = new AtomicLong();
  private final ActorSystem<?> system;
  private final Duration deadline;
  private volatile boolean ended;

  ActorRole(
      RoleSpec spec,
      String node,
      ActorRef<RoleWorker.Command> worker,
      ActorSystem<?> system,
      Duration deadline) {
    this.spec = spec;
    this.node = node;
    this.worker = worker;
    this.system = system;
    this.deadline = deadline;
  }

  @Override
  public RoleSpec spec() {
    return spec;
  }

  @Override
  public CompletionStage<List<List<Rollout>>> sample(
      List<Prompt> prompts, int answers, SamplingSettings settings) {
    List<Prompt> asked = List.copyOf(prompts);
    return ask(
            new RoleWorker.Generate(asked.stream().map(Prompt::bare).toList(), answers, settings),
            RoleWorker.Generated.class)
        .thenApply(
            generated ->
                Sampler.grouped(Asked.of(asked).answeredBy(generated.rollouts()), answers));
  }

  @Override
  public CompletionStage<List<TokenOutputs>> evaluate(
      List<Sequence> sequences, Set<Output> outputs) {
    return ask(
            new RoleWorker.Evaluate(List.copyOf(sequences), List.copyOf(outputs)),
            RoleWorker.Evaluated.class)
        .thenApply(RoleWorker.Evaluated::outputs);
  }

  @Override
  public <E extends Example> CompletionStage<Accumulated> accumulate(
      Objective<E> objective, List<E> examples, BatchTotals totals) {
    return ask(
            new RoleWorker.Accumulate<>(objective, List.copyOf(examples), totals),
            RoleWorker.Gradient.class)
        .thenApply(RoleWorker.Gradient::accumulated);
  }

  @Override
  public CompletionStage<StepResult> step(Optional<StepSettings> settings) {
    return ask(new RoleWorker.Step(settings), RoleWorker.Stepped.class)
        .thenApply(RoleWorker.Stepped::result);
  }

  @Override
  public CompletionStage<Void> save(String directory) {
    return act(new RoleWorker.Save(directory));
  }

  @Override
  public CompletionStage<Void> checkpoint(String directory) {
    return act(new RoleWorker.Checkpoint(directory));
  }

  @Override
  public CompletionStage<Void> restore(String directory) {
    return act(new RoleWorker.Restore(directory));
  }

  @Override
  public CompletionStage<Void> close() {
    // A role that is gone is closed.
    return ask("close", RoleWorker.Stop::new).thenAccept(reply -> {});
  }

  /** Loads the model, so that its errors come now. */
  CompletionStage<ActorRole> loaded() {
    return act(new RoleWorker.Load()).thenApply(done -> this);
  }

  private CompletionStage<Void> act(RoleWorker.Work work) {
    return ask(work, RoleWorker.Finished.class).thenAccept(done -> {});
  }

  /** Copies the trained parameters for other roles to take. */
  CompletionStage<RoleWorker.Lent> lend() {
    return ask(new RoleWorker.Lend(), RoleWorker.Lent.class);
  }

  /** Takes what {@code lender} lends. */
  CompletionStage<Void> take(ActorRole lender, RoleWorker.Lent lent) {
    return act(new RoleWorker.Take(lender.worker, lent.adapterVersion(), lent.parts()));
  }

  String node() {
    return node;
  }

  /** Whether its worker has ended, and no request will be answered any more. */
  boolean isLost() {
    return ended;
  }

  /** The worker has ended: nothing that is still open will be answered. */
  void lost() {
    ended = true;
    pending.values().forEach(request -> request.lost().complete(lost(request.activity())));
  }

  private <R extends RoleWorker.Reply> CompletionStage<R> ask(
      RoleWorker.Work work, Class<R> expected) {
    return ask(work.activity(), replyTo -> new RoleWorker.Request(work, replyTo))
        .thenApply(reply -> unwrap(reply, expected));
  }

  private CompletionStage<RoleWorker.Reply> ask(
      String activity, Function<ActorRef<RoleWorker.Reply>, RoleWorker.Command> message) {
    CompletableFuture<RoleWorker.Reply> lost = new CompletableFuture<>();
    long number = asked.incrementAndGet();
    pending.put(number, new Pending(activity, lost));
    if (ended) {
      lost.complete(lost(activity));
    }
    return AskPattern.<RoleWorker.Command, RoleWorker.Reply>ask(
            worker, message::apply, deadline, system.scheduler())
        .exceptionally(failure -> missing(activity, failure))
        .applyToEither(lost, reply -> reply)
        .whenComplete((reply, failure) -> pending.remove(number));
  }

  private RoleWorker.Reply missing(String activity, Throwable failure) {
    Throwable cause =
        failure instanceof CompletionException && failure.getCause() != null
            ? failure.getCause()
            : failure;
    if (cause instanceof TimeoutException) {
      return new RoleWorker.Failed(
          "the "
              + spec.name()
              + " on "
              + node
              + " did not answer '"
              + activity
              + "' within "
              + deadline.toSeconds()
              + " s (cluster.request-timeout-seconds)",
          false);
    }
    throw new CompletionException(cause);
  }

  private RoleWorker.Reply lost(String activity) {
    return new RoleWorker.Failed(
        "the "
            + spec.name()
            + " is lost: its node "
            + node
            + " ended while it was to "
            + activity
            + ". See that node's log; the run can be resumed",
        false);
  }

  private static <R extends RoleWorker.Reply> R unwrap(RoleWorker.Reply reply, Class<R> expected) {
    if (reply instanceof RoleWorker.Failed failed) {
      throw new RoleException(failed.reason(), failed.users());
    }
    return expected.cast(reply);
  }
}
