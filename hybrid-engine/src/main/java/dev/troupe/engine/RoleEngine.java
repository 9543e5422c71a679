package dev.troupe.engine;

import dev.troupe.protocol.data.Accumulated;
import dev.troupe.protocol.data.BatchTotals;
import dev.troupe.protocol.data.Example;
import dev.troupe.protocol.data.Floats;
import dev.troupe.protocol.data.Objective;
import dev.troupe.protocol.data.Output;
import dev.troupe.protocol.data.PartialSums;
import dev.troupe.protocol.data.Prompt;
import dev.troupe.protocol.data.RoleSpec;
import dev.troupe.protocol.data.Rollout;
import dev.troupe.protocol.data.SamplingSettings;
import dev.troupe.protocol.data.Sequence;
import dev.troupe.protocol.data.Share;
import dev.troupe.protocol.data.StepResult;
import dev.troupe.protocol.data.StepSettings;
import dev.troupe.protocol.data.TokenOutputs;
import dev.troupe.protocol.data.UpdateResult;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.Set;
import java.util.SortedMap;
import java.util.function.Consumer;

/** The model of one role, on this machine. Calls block and come from one thread at a time. */
public interface RoleEngine extends AutoCloseable {
  /** Makes engines; roles of one model directory share their frozen base. */
  interface Factory extends AutoCloseable {
    RoleEngine open(RoleSpec spec);

    @Override
    void close();
  }

  RoleSpec spec();

  /** Rises with every applied update; 0 after loading. */
  long adapterVersion();

  /**
   * So many rollouts per prompt: those of one prompt side by side, in the order of their numbers.
   * Flips to generation first when needed.
   *
   * @param answers to each prompt, at least 1
   */
  List<Rollout> generate(List<Prompt> prompts, int answers, SamplingSettings settings);

  /**
   * Whether log-probabilities that it samples are the same to the bit whatever is sampled beside
   * them, on any number of lanes.
   */
  default boolean samplesByRow() {
    return false;
  }

  /** One rollout per prompt, in order. */
  default List<Rollout> generate(List<Prompt> prompts, SamplingSettings settings) {
    return generate(prompts, 1, settings);
  }

  /**
   * As {@link #generate} for one prompt, telling each piece of text as it comes; {@code listener}
   * may be called on a thread of the engine.
   */
  Rollout stream(Prompt prompt, SamplingSettings settings, Consumer<String> listener);

  /** Outputs at each sequence's reads, in order; no gradient. */
  List<TokenOutputs> evaluate(List<Sequence> sequences, Set<Output> outputs);

  /**
   * Adds the gradient of an objective over these examples to that of the next {@link #step}. One
   * that fails gives up all that was accumulated.
   *
   * @param totals of the whole step, these examples included
   */
  <E extends Example> Accumulated accumulate(
      Objective<E> objective, List<E> examples, BatchTotals totals);

  /**
   * What all replicas of a role come to, given what this one does; of the gradient this one's shard
   * alone, where it holds the optimiser's state of one.
   */
  interface Together {
    PartialSums.Part whole(PartialSums own);
  }

  /** What all replicas of a role have, one's behind the other's, as they all call it. */
  interface Gathering {
    /**
     * @param own what this replica has
     * @param counts how many numbers each has, by rank
     */
    Floats all(Floats own, int[] counts);
  }

  /**
   * As {@link #accumulate(Objective, List, BatchTotals)}, of one of several replicas: it computes
   * its share of the micro-batches alone, and adds what all of them come to. On the calling thread,
   * what {@code together} does is a part of it: where that fails, so does this.
   */
  default <E extends Example> Accumulated accumulate(
      Objective<E> objective,
      List<E> examples,
      BatchTotals totals,
      Share share,
      Together together) {
    throw new UnsupportedOperationException("this engine has no replicas");
  }

  /**
   * As {@link #evaluate(List, Set)}, of one of several replicas: outputs of its share of the
   * sequences, by their places.
   */
  default SortedMap<Integer, TokenOutputs> evaluate(
      List<Sequence> sequences, Set<Output> outputs, Share share) {
    throw new UnsupportedOperationException("this engine has no replicas");
  }

  /** Of the files of the model that it stands on: of other weights it is another. */
  default String modelFingerprint() {
    throw new UnsupportedOperationException("this engine has no replicas");
  }

  /** Of the trained parameters as they are now: of others it is another, as good as surely. */
  default String parametersFingerprint() {
    throw new UnsupportedOperationException("this engine has no replicas");
  }

  /**
   * One optimiser step along what was accumulated. A gradient that is not finite is skipped and
   * reported in the result.
   *
   * @param settings of this step; absent for those of the spec
   * @throws IllegalStateException when nothing was accumulated since the last step
   */
  StepResult step(Optional<StepSettings> settings);

  /** As {@link #step(Optional)}, of one of several replicas that hold a shard each. */
  default StepResult step(Optional<StepSettings> settings, Gathering others) {
    throw new UnsupportedOperationException("this engine has no replicas");
  }

  /** One optimiser step over these examples. */
  default <E extends Example> UpdateResult update(Objective<E> objective, List<E> examples) {
    Accumulated accumulated = accumulate(objective, examples, BatchTotals.of(examples));
    return UpdateResult.of(accumulated, step(Optional.empty()));
  }

  /** A copy of the trained parameters as they are now: the role's flat buffer. */
  Floats parameters();

  /**
   * Works with another engine's {@link #parameters} from now on, as though they were its own.
   *
   * @param parameters of a role of the same model, adapter and tuning, in consecutive parts
   * @param version the other's {@link #adapterVersion}
   * @throws EngineException when they are not as many as this role's
   * @throws IllegalStateException between an accumulation and its step
   */
  void take(List<Floats> parameters, long version);

  /**
   * Writes the PEFT adapter with its head, or the whole checkpoint of a fully tuned role, and ema/
   * beside it.
   */
  void save(Path directory);

  /**
   * As {@link #save(Path)}, of one of several replicas that hold a shard each.
   *
   * @param directory absent for those that only give their shards
   */
  default void save(Optional<Path> directory, Gathering others) {
    throw new UnsupportedOperationException("this engine has no replicas");
  }

  /**
   * Writes all that {@link #restore} needs to go on bit for bit; of several replicas that hold a
   * shard each, this one's.
   *
   * @throws IllegalStateException between an accumulation and its step
   */
  void checkpoint(Path directory);

  /**
   * Takes up what {@link #checkpoint} wrote, of as many replicas as may be; what was accumulated is
   * given up.
   */
  void restore(Path directory);

  /** Whose operators sample, in a line; empty where there is no choice. */
  default String kernels() {
    return "";
  }

  /** Native bytes by purpose: base, adapter, optimizer, shadow, kv-cache. */
  Map<String, Long> memoryBytes();

  /**
   * How far it is, in steps of no fixed size, of which each takes seconds at most where a model is
   * of moderate size: rises as long as it works. Empty where that is not known. For any thread,
   * also during other calls.
   */
  default OptionalLong progress() {
    return OptionalLong.empty();
  }

  /** Seconds spent so far by phase: generate, score, train, flip. */
  Map<String, Double> phaseSeconds();

  @Override
  void close();
}
