package dev.troupe.rlhf.recipe;

/** One stage's algorithm, with its configuration and data. */
public interface Recipe {
  /** Steps from the first to the last, those of an earlier run that is resumed included. */
  int totalSteps();

  /** Goes on from the stage's last checkpoint, or begins; trains, measures and saves. */
  StageResult run(StageContext context);
}
