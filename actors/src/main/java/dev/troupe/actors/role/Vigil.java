package dev.troupe.actors.role;

import java.util.OptionalLong;

/**
 * Tells work that hangs from work that is slow, by looks at how far it is. Looks are counted and no
 * clock is read: a process that was stopped has done nothing meanwhile, and is not to blame for it.
 */
final class Vigil {
  /** Looks without progress after which work hangs: the last may have come at any time of one. */
  static final int LOOKS = 20;

  private OptionalLong seen = OptionalLong.empty();
  private int without;

  /** Work begins. */
  void begins(OptionalLong progress) {
    seen = progress;
    without = 0;
  }

  /** Whether the last look found progress. */
  boolean isFresh() {
    return without == 0;
  }

  /**
   * A look, of those that come at equal times.
   *
   * @param progress rises while there is any; empty where that is not known
   * @param awaitsOthers whether it is for others to go on, who have vigils of their own
   * @return whether it hangs
   */
  boolean hangs(OptionalLong progress, boolean awaitsOthers) {
    if (progress.isEmpty() || awaitsOthers || !progress.equals(seen)) {
      begins(progress);
      return false;
    }
    without++;
    return without > LOOKS;
  }
}
