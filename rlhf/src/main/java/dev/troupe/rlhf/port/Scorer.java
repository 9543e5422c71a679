package dev.troupe.rlhf.port;

import dev.troupe.protocol.data.Rollout;
import java.util.List;
import java.util.concurrent.CompletionStage;

/**
 * Says how good answers are: a model, a rule, a function of the user's, a service, or a sum of
 * these. What a scorer needs of the data beside the prompt is in {@code rollout.prompt()}: its
 * answer and metadata.
 */
public interface Scorer {
  /** Where the configuration defines it; errors name it so. */
  String name();

  /**
   * One score per rollout, in their order; several calls may be under way at once. What goes wrong
   * with an answer is its score ({@link Score.Unscored}); the stage fails with what no other answer
   * would mend, such as a scorer that is not there any more.
   */
  CompletionStage<List<Score>> score(List<Rollout> rollouts);

  /**
   * Whether an answer's score is the same whatever others it is asked about with, so that a round's
   * first answers may be scored while the last are being sampled. Others are asked about all at
   * once.
   */
  default boolean scoresEachAlone() {
    return false;
  }

  /** Ends its threads, processes and connections. Calls under way may fail. */
  default void close() {}
}
