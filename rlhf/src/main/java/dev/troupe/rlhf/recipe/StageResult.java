package dev.troupe.rlhf.recipe;

/** What a stage came to: a record of plain values. */
public sealed interface StageResult
    permits SftRecipe.Result, RewardModelRecipe.Result, PpoRecipe.Result, DpoRecipe.Result {
  /** The books of the stage. */
  Account account();

  /** Whether the stage was stopped before its end; then it has saved nothing but a checkpoint. */
  boolean cancelled();
}
