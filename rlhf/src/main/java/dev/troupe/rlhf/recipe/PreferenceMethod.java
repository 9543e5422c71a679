package dev.troupe.rlhf.recipe;

import dev.troupe.protocol.data.Example;
import dev.troupe.protocol.data.Objective;
import dev.troupe.protocol.data.Output;
import dev.troupe.protocol.data.Sequence;
import dev.troupe.protocol.data.TokenOutputs;
import dev.troupe.rlhf.data.Batches;
import dev.troupe.rlhf.port.Learner;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.function.Function;
import java.util.function.LongFunction;

/**
 * What one algorithm that learns from preferences makes of its data.
 *
 * @param <T> a sample: a pair, or a single answer
 * @param <E> what it becomes for the loss
 */
public interface PreferenceMethod<T, E extends Example> {
  /** Whether the policy as the stage finds it is kept beside it, to compare with. */
  boolean hasReference();

  /**
   * Samples with what the reference says of them.
   *
   * @param reference absent without {@link #hasReference}
   */
  Ready<E> prepare(List<T> samples, Optional<Learner> reference);

  /**
   * Samples that can be learned from.
   *
   * @param objective given the policy, which some objectives ask first
   */
  record Ready<E extends Example>(List<E> examples, Function<Learner, Objective<E>> objective) {
    public Ready {
      examples = List.copyOf(examples);
    }
  }

  /** The batch of each step, from 0. */
  default LongFunction<List<T>> batches(List<T> samples, int batchSize, long seed) {
    return new Batches<>(samples, batchSize, Batches.Last.SHORT, seed)::batch;
  }

  /** Summed log-probabilities of what each of these sequences reads. */
  static List<Double> sums(Learner role, List<Sequence> sequences) {
    return Await.on(role.evaluate(sequences, Set.of(Output.LOGPROBS))).stream()
        .map(PreferenceMethod::sum)
        .toList();
  }

  private static double sum(TokenOutputs output) {
    double sum = 0;
    for (float logprob : output.logprobs().values()) {
      sum += logprob;
    }
    return sum;
  }
}
