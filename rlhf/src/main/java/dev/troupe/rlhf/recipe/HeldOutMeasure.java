package dev.troupe.rlhf.recipe;

/** What the states of a stage can be compared by, on what is held out. */
public enum HeldOutMeasure {
  /** The stage's loss; less is better. */
  LOSS("heldOutLoss", -1),
  /** Share of pairs whose chosen side wins. */
  ACCURACY("heldOutAccuracy", 1),
  /** How far the chosen side is ahead. */
  MARGIN("heldOutMargin", 1),
  /** Of the reward model. */
  SCORE("heldOutScore", 1),
  /** The score less the KL penalty: what PPO maximises. */
  REWARD("heldOutReward", 1),
  /** Share of the problems that are answered right, by the reward that says so. */
  RULE_SATISFIED("heldOutRuleSatisfied", 1);

  private final String metric;
  private final int direction;

  HeldOutMeasure(String metric, int direction) {
    this.metric = metric;
    this.direction = direction;
  }

  /** Its name among a step's metrics. */
  String metric() {
    return metric;
  }

  /** By how much {@code value} is better than {@code other}; below 0 when it is worse. */
  double gain(double value, double other) {
    return direction * (value - other);
  }
}
