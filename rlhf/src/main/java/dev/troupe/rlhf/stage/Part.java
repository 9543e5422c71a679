package dev.troupe.rlhf.stage;

/** What stages hand on to one another. */
public enum Part {
  /** The model that all roles are made of. */
  MODEL,
  /** The newest policy; at first the model, or {@code start.policy}. */
  POLICY,
  /** What scores answers; at first the model without a head, or {@code start.reward}. */
  REWARD_MODEL
}
