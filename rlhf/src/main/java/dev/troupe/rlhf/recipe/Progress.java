package dev.troupe.rlhf.recipe;

import java.util.Map;
import java.util.Optional;

/**
 * How far a stage is: what is the same in all stages, and a resume needs.
 *
 * @param step the last one done, 0 before the first
 * @param account the books
 * @param best the best state measured, where one is looked for
 * @param sinceBest measurements since that were not better
 * @param stopped why the stage is to end before its last step
 */
public record Progress(
    long step,
    Account account,
    Learning learning,
    Optional<Best> best,
    int sinceBest,
    Optional<String> stopped) {
  /** Before the first step, with data that never became a sample. */
  public static Progress begin(Map<String, Long> dropped) {
    Ledger ledger = new Ledger(Account.EMPTY);
    ledger.droppedBefore(dropped);
    return new Progress(0, ledger.account(), Learning.NONE, Optional.empty(), 0, Optional.empty());
  }

  /** After one more step. */
  Progress after(Account books, Learning learned) {
    return new Progress(step + 1, books, learned, best, sinceBest, stopped);
  }

  /** To end after this step. */
  Progress stopping(String why) {
    return new Progress(step, account, learning, best, sinceBest, Optional.of(why));
  }

  /** After a measurement of this step. */
  Progress measured(BestConfig config, Map<String, Double> metrics) {
    if (config.metric().isEmpty()) {
      return this;
    }
    HeldOutMeasure measure = config.metric().get();
    Double value = metrics.get(measure.metric());
    if (value == null) {
      return this;
    }
    boolean better =
        Double.isFinite(value)
            && best.map(
                    before -> {
                      double gain = measure.gain(value, before.value());
                      return gain > 0 && gain >= config.minImprovement();
                    })
                .orElse(true);
    return better
        ? new Progress(
            step,
            account,
            learning,
            Optional.of(new Best(measure.metric(), step, value)),
            0,
            stopped)
        : new Progress(step, account, learning, best, sinceBest + 1, stopped);
  }
}
