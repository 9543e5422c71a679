package dev.troupe.rlhf.loss;

import dev.troupe.protocol.data.BatchTotals;

/** What "the mean loss" of a step is when sequences differ in length. */
public enum Averaging {
  /**
   * Every token of the optimiser step weighs the same, however it is split (OpenRLHF, verl, TRL).
   */
  GLOBAL_TOKEN,
  /**
   * Tokens weigh the same within a micro-batch, micro-batches weigh by their number of examples
   * (DeepSpeed-Chat). Depends on how the step is split.
   */
  MICRO_BATCH,
  /** Tokens weigh the same within a sequence, sequences weigh the same. */
  SEQUENCE;

  /**
   * The factor of each token of one example.
   *
   * @param exampleReads reads of that example
   * @param microBatchReads reads of its micro-batch
   * @param microBatchExamples examples of its micro-batch
   */
  double weight(
      long exampleReads, long microBatchReads, long microBatchExamples, BatchTotals totals) {
    if (exampleReads == 0) {
      return 0;
    }
    return switch (this) {
      case GLOBAL_TOKEN -> 1.0 / totals.reads();
      case MICRO_BATCH -> (double) microBatchExamples / totals.examples() / microBatchReads;
      case SEQUENCE -> 1.0 / totals.examples() / exampleReads;
    };
  }
}
