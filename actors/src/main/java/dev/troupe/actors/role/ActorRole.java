package dev.troupe.actors.role;

import dev.troupe.actors.shortage.Shortage;
import dev.troupe.protocol.data.Accumulated;
import dev.troupe.protocol.data.BatchTotals;
import dev.troupe.protocol.data.Example;
import dev.troupe.protocol.data.Objective;
import dev.troupe.protocol.data.Output;
import dev.troupe.protocol.data.Part;
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
import java.time.Duration;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.ConcurrentHashMap;
import java.util.function.BiConsumer;
import java.util.function.Function;
import org.apache.pekko.actor.typed.ActorRef;
import org.apache.pekko.actor.typed.ActorSystem;
import org.apache.pekko.actor.typed.javadsl.AskPattern;

/** The port's role, by messages to its {@link RolloutDispatcher}. */
final class ActorRole implements Role {
  /** Whatever happens, a dispatcher answers; its own requests have a deadline. */
  private static final Duration EVER = Duration.ofDays(100);

  /** A request under way, and the answer it gets when the actor system ends. */
  private record Pending(String activity, CompletableFuture<RoleWorker.Reply> lost) {}

  private final RoleSpec spec;
  private final String node;
  private final ActorRef<RolloutDispatcher.Command> dispatcher;
  private final ActorSystem<?> system;
  private final Set<Pending> pending = ConcurrentHashMap.newKeySet();
  private volatile boolean ended;

  /**
   * @param node where it learns
   */
  ActorRole(
      RoleSpec spec,
      String node,
      ActorRef<RolloutDispatcher.Command> dispatcher,
      ActorSystem<?> system) {
    this.spec = spec;
    this.node = node;
    this.dispatcher = dispatcher;
    this.system = system;
    // An actor system that ends under us, as one does that is out of memory, answers nothing more.
    system.getWhenTerminated().thenRun(this::lost);
  }

  @Override
  public RoleSpec spec() {
    return spec;
  }

  @Override
  public CompletionStage<List<List<Rollout>>> sample(
      List<Prompt> prompts, int answers, SamplingSettings settings) {
    List<Prompt> copy = List.copyOf(prompts);
    return ask(generate(copy, answers, settings), RoleWorker.Generated.class)
        .thenApply(generated -> asked().answeredBy(copy, answers, generated.rollouts()));
  }

  @Override
  public List<CompletionStage<List<List<Rollout>>>> sampleInParts(
      List<Prompt> prompts, int answers, SamplingSettings settings) {
    List<Prompt> copy = List.copyOf(prompts);
    Map<Part, CompletableFuture<List<List<Rollout>>>> parts = new LinkedHashMap<>();
    Part.of(copy.size(), answers).forEach(part -> parts.put(part, new CompletableFuture<>()));
    RoleWorker.Work work = generate(copy, answers, settings);
    // What is made of a part is not made on the dispatcher's thread.
    BiConsumer<Part, List<Rollout>> heard =
        (part, said) ->
            parts
                .get(part)
                .completeAsync(() -> asked().answeredBy(part.prompts(copy), answers, said));
    CompletionStage<Void> told =
        ask(work.activity(), replyTo -> new RolloutDispatcher.Ask(work, heard, replyTo))
            .thenApply(reply -> unwrap(reply, RoleWorker.Generated.class))
            .thenAccept(all -> complete(parts, copy, answers, all));
    told.whenComplete(
        (done, failure) -> {
          if (failure != null) {
            parts.values().forEach(part -> part.completeExceptionally(failure));
          }
        });
    return List.copyOf(parts.values());
  }

  /** Where a learner answers by itself, all parts are there at once. */
  private void complete(
      Map<Part, CompletableFuture<List<List<Rollout>>>> parts,
      List<Prompt> prompts,
      int answers,
      RoleWorker.Generated all) {
    if (parts.values().stream().allMatch(CompletableFuture::isDone)) {
      return;
    }
    List<List<Rollout>> groups = asked().answeredBy(prompts, answers, all.rollouts());
    parts.forEach((part, future) -> future.completeAsync(() -> part.prompts(groups)));
  }

  private static RoleWorker.Generate generate(
      List<Prompt> prompts, int answers, SamplingSettings settings) {
    return new RoleWorker.Generate(prompts.stream().map(Prompt::bare).toList(), answers, settings);
  }

  @Override
  public CompletionStage<List<TokenOutputs>> evaluate(
      List<Sequence> sequences, Set<Output> outputs) {
    List<Sequence> copy = List.copyOf(sequences);
    List<Output> kinds = List.copyOf(outputs);
    return ask(new RoleWorker.Evaluate(copy, kinds), RoleWorker.Evaluated.class)
        .thenApply(said -> asked().saidOf(copy, kinds, said.outputs()));
  }

  private Asked asked() {
    return new Asked("the " + spec.name() + " on " + node);
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
    return ask("close", RolloutDispatcher.Close::new).thenAccept(reply -> {});
  }

  /** Loads the model, so that its errors come now. */
  CompletionStage<Role> loaded() {
    return act(new RoleWorker.Load()).thenApply(done -> this);
  }

  private CompletionStage<Void> act(RoleWorker.Work work) {
    return ask(work, RoleWorker.Finished.class).thenAccept(done -> {});
  }

  private void lost() {
    ended = true;
    pending.forEach(this::answerLost);
  }

  private void answerLost(Pending request) {
    request.lost().complete(endedTo(request.activity()));
  }

  private RoleWorker.Failed endedTo(String activity) {
    return new RoleWorker.Failed(
        "the " + spec.name() + " was to " + activity + " when " + Shortage.ofActorSystem(), false);
  }

  private <R extends RoleWorker.Reply> CompletionStage<R> ask(
      RoleWorker.Work work, Class<R> expected) {
    return ask(work.activity(), replyTo -> new RolloutDispatcher.Ask(work, replyTo))
        .thenApply(reply -> unwrap(reply, expected));
  }

  private CompletionStage<RoleWorker.Reply> ask(
      String activity, Function<ActorRef<RoleWorker.Reply>, RolloutDispatcher.Command> message) {
    Pending request = new Pending(activity, new CompletableFuture<>());
    pending.add(request);
    if (ended) {
      answerLost(request);
    }
    return AskPattern.<RolloutDispatcher.Command, RoleWorker.Reply>ask(
            dispatcher, message::apply, EVER, system.scheduler())
        .exceptionally(failure -> closed(activity, failure))
        .applyToEither(request.lost(), reply -> reply)
        .whenComplete((reply, failure) -> pending.remove(request));
  }

  private RoleWorker.Reply closed(String activity, Throwable failure) {
    return ended
        ? endedTo(activity)
        : new RoleWorker.Failed(
            "the " + spec.name() + " was closed before it was to " + activity + ": " + failure,
            false);
  }

  private static <R extends RoleWorker.Reply> R unwrap(RoleWorker.Reply reply, Class<R> expected) {
    if (reply instanceof RoleWorker.Failed failed) {
      throw new RoleException(failed.reason(), failed.users());
    }
    return expected.cast(reply);
  }
}
