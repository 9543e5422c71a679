package dev.troupe.rlhf.recipe;

import java.util.Optional;

/** What a stage came to: a record of plain values. */
public interface StageResult {
  /** The books of the stage. */
  Account account();

  /** Whether the stage was stopped before its end; then it has saved nothing but a checkpoint. */
  boolean cancelled();

  /** Why the stage failed, if it did not learn; then it has saved its last sound state, if any. */
  Optional<String> failure();
}
