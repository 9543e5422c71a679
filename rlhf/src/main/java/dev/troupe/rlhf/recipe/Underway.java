package dev.troupe.rlhf.recipe;

import dev.troupe.protocol.data.Part;
import dev.troupe.protocol.data.Prompt;
import dev.troupe.protocol.data.Rollout;
import dev.troupe.protocol.data.SamplingSettings;
import dev.troupe.rlhf.port.Sampler;
import java.util.ArrayList;
import java.util.Iterator;
import java.util.List;
import java.util.OptionalDouble;
import java.util.OptionalLong;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.atomic.AtomicLong;
import java.util.function.Function;

/**
 * A round's answers on their way. What is made of them can be begun part by part: what does not
 * depend on the weights that learn, as soon as a part is there; what does, when it is the round's
 * turn as well.
 */
final class Underway {
  private final List<CompletionStage<List<List<Rollout>>>> parts;
  private final CompletableFuture<List<List<Rollout>>> all;
  private final CompletableFuture<Void> turn = new CompletableFuture<>();
  private final OptionalLong begun;
  private final AtomicLong ended = new AtomicLong();

  /**
   * @param begun nanoseconds, where it is known
   */
  private Underway(List<CompletionStage<List<List<Rollout>>>> parts, OptionalLong begun) {
    this.parts = List.copyOf(parts);
    this.begun = begun;
    all =
        joined(this.parts)
            .whenComplete((done, failure) -> ended.set(System.nanoTime()))
            .toCompletableFuture();
  }

  /** Asks for them, by the weights as they are now. */
  static Underway ask(
      Sampler sampler, List<Prompt> prompts, int answers, SamplingSettings settings) {
    OptionalLong now = OptionalLong.of(System.nanoTime());
    return new Underway(sampler.sampleInParts(prompts, answers, settings), now);
  }

  /**
   * Answers that were there before.
   *
   * @param rollouts to these prompts, side by side
   */
  static Underway known(List<Prompt> prompts, int answers, List<Rollout> rollouts) {
    List<List<Rollout>> groups = new ArrayList<>();
    Iterator<Prompt> asked = prompts.iterator();
    for (List<Rollout> group : Sampler.grouped(prompts, answers, rollouts)) {
      Prompt prompt = asked.next();
      groups.add(group.stream().map(rollout -> rollout.to(prompt)).toList());
    }
    return new Underway(
        Part.of(prompts.size(), answers).stream()
            .<CompletionStage<List<List<Rollout>>>>map(
                part -> CompletableFuture.completedFuture(part.prompts(groups)))
            .toList(),
        OptionalLong.empty());
  }

  /** The elements of all lists in one, as soon as all are there. */
  static <T> CompletionStage<List<T>> joined(List<CompletionStage<List<T>>> lists) {
    List<CompletableFuture<List<T>>> all =
        lists.stream().map(CompletionStage::toCompletableFuture).toList();
    return CompletableFuture.allOf(all.toArray(CompletableFuture[]::new))
        .thenApply(done -> all.stream().flatMap(list -> list.join().stream()).toList());
  }

  /**
   * The parts, groups by prompt.
   *
   * @param overlap whether each is there as soon as it is, or when the last one is
   */
  List<CompletionStage<List<List<Rollout>>>> parts(boolean overlap) {
    return overlap
        ? parts
        : parts.stream()
            .<CompletionStage<List<List<Rollout>>>>map(
                part -> part.thenCombine(all, (own, every) -> own))
            .toList();
  }

  /** When it is the round's turn. */
  CompletionStage<Void> turn() {
    return turn;
  }

  /** What waits for a part begins, but not before the round's turn. */
  <S, T> CompletionStage<T> onTurn(
      CompletionStage<S> part, Function<S, CompletionStage<T>> begins) {
    return part.thenCombine(turn, (own, now) -> own).thenCompose(begins);
  }

  /** The weights that learn are now those that learn from this round. */
  void itsTurn() {
    turn.complete(null);
  }

  /** All, groups by prompt. */
  List<List<Rollout>> await() {
    return Await.on(all);
  }

  /** All side by side, without what their prompts have in the data: for a checkpoint. */
  List<Rollout> toKeep() {
    return await().stream()
        .flatMap(List::stream)
        .map(rollout -> rollout.to(rollout.prompt().bare()))
        .toList();
  }

  /** How many answers are there. */
  long there() {
    return parts.stream()
        .map(CompletionStage::toCompletableFuture)
        .filter(part -> part.isDone() && !part.isCompletedExceptionally())
        .flatMap(part -> part.join().stream())
        .mapToLong(List::size)
        .sum();
  }

  /** Seconds from the request to the last answer, when all are there; unknown of earlier ones. */
  OptionalDouble seconds() {
    return begun.isPresent()
        ? OptionalDouble.of(Math.max(1e-9, (ended.get() - begun.getAsLong()) / 1e9))
        : OptionalDouble.empty();
  }
}
