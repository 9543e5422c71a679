package dev.troupe.engine;

import dev.troupe.protocol.data.Example;
import dev.troupe.protocol.data.Floats;
import dev.troupe.protocol.data.Objective;
import dev.troupe.protocol.data.Output;
import dev.troupe.protocol.data.Prompt;
import dev.troupe.protocol.data.RoleSpec;
import dev.troupe.protocol.data.Rollout;
import dev.troupe.protocol.data.SamplingSettings;
import dev.troupe.protocol.data.Sequence;
import dev.troupe.protocol.data.TokenOutputs;
import dev.troupe.protocol.data.UpdateResult;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Set;
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

  /** One rollout per prompt, in order. Flips to generation first when needed. */
  List<Rollout> generate(List<Prompt> prompts, SamplingSettings settings);

  /**
   * As {@link #generate} for one prompt, telling each piece of text as it comes; {@code listener}
   * may be called on a thread of the engine.
   */
  Rollout stream(Prompt prompt, SamplingSettings settings, Consumer<String> listener);

  /** Outputs at each sequence's reads, in order; no gradient. */
  List<TokenOutputs> evaluate(List<Sequence> sequences, Set<Output> outputs);

  /** One optimiser step. A gradient that is not finite is skipped and reported in the result. */
  <E extends Example> UpdateResult update(Objective<E> objective, List<E> examples);

  /** A copy of the trained parameters as they are now: the role's flat buffer. */
  Floats parameters();

  /**
   * Works with another engine's {@link #parameters} from now on, as though they were its own.
   *
   * @param parameters of a role of the same model, adapter and tuning, in consecutive parts
   * @param version the other's {@link #adapterVersion}
   * @throws EngineException when they are not as many as this role's
   */
  void take(List<Floats> parameters, long version);

  /**
   * Writes the PEFT adapter with its head, or the whole checkpoint of a fully tuned role, and ema/
   * beside it.
   */
  void save(Path directory);

  /** Writes all that {@link #restore} needs to go on bit for bit. */
  void checkpoint(Path directory);

  /** Takes up what {@link #checkpoint} wrote. */
  void restore(Path directory);

  /** Native bytes by purpose: base, adapter, optimizer, shadow, kv-cache. */
  Map<String, Long> memoryBytes();

  /** Seconds spent so far by phase: generate, score, train, flip. */
  Map<String, Double> phaseSeconds();

  @Override
  void close();
}
