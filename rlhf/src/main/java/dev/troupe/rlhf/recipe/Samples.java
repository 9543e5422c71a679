package dev.troupe.rlhf.recipe;

/** How supervised recipes enter one sample, and how all recipes word a skipped step. */
final class Samples {
  static final String UPDATE_SKIPPED = "update skipped";

  private Samples() {}

  /** A sample that came from the data and went through one optimiser step. */
  static void learned(Ledger ledger, String sample, boolean applied) {
    ledger.issued(sample);
    if (applied) {
      ledger.trained(sample);
    } else {
      ledger.dropped(sample, UPDATE_SKIPPED);
    }
  }

  static String skipped(String role, long step, double gradientNorm) {
    return "step "
        + step
        + ": the "
        + role
        + "'s gradient norm is "
        + gradientNorm
        + ", the update was skipped and its samples count as dropped. If this repeats, lower the"
        + " learning rate";
  }
}
