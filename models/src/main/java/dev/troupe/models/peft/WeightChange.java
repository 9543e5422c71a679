package dev.troupe.models.peft;

/** What an adapter makes of one tensor of the base. */
public interface WeightChange {
  /**
   * Merges into the tensor, in place. Sums are double, so that each number is rounded once.
   *
   * @param weight as the checkpoint has it, row by row
   */
  void mergeInto(float[] weight);
}
