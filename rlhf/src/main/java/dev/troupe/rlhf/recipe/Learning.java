package dev.troupe.rlhf.recipe;

import dev.troupe.protocol.data.UpdateResult;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.TreeMap;
import java.util.stream.Collectors;

/**
 * Whether a stage learns: how the updates of each of its learners went so far. Part of the state
 * that a resume takes up.
 *
 * @param learners by name: policy, critic, reward
 */
public record Learning(Map<String, Updates> learners) {
  static final Learning NONE = new Learning(Map.of());

  /** Skipped updates that a message tells of one by one. */
  private static final int TOLD = 5;

  public Learning {
    learners = Collections.unmodifiableMap(new TreeMap<>(learners));
  }

  /**
   * One learner's updates.
   *
   * @param applied those that were done
   * @param moved those of them that could change something: gradient and rate were not 0
   * @param appliedAt step of the last that was done; 0 without one. No state of that step or later
   *     was shown to be sound by an update that followed it
   * @param skipped all that were not done
   * @param inRow those not done since the last one that was
   * @param since step of the first of {@code inRow}; 0 without one
   * @param unsound whether one of {@code inRow} was tried: nothing shows then that the weights are
   *     sound
   * @param last the newest of {@code inRow}
   */
  public record Updates(
      long applied,
      long moved,
      long appliedAt,
      long skipped,
      long inRow,
      long since,
      boolean unsound,
      List<Skip> last) {
    static final Updates NONE = new Updates(0, 0, 0, 0, 0, 0, false, List.of());

    public Updates {
      last = List.copyOf(last);
    }

    private Updates applied(long step, boolean changes) {
      return new Updates(
          applied + 1, moved + (changes ? 1 : 0), step, skipped, 0, 0, false, List.of());
    }

    private Updates skipped(Skip skip) {
      List<Skip> newest = new ArrayList<>(last);
      newest.add(skip);
      return new Updates(
          applied,
          moved,
          appliedAt,
          skipped + 1,
          inRow + 1,
          inRow == 0 ? skip.step() : since,
          unsound || skip.tried(),
          newest.subList(Math.max(0, newest.size() - TOLD), newest.size()));
    }
  }

  /**
   * An update that was not done, and why.
   *
   * @param tried whether loss and gradient were computed and not finite; else there was no sample
   * @param advice what to do where it was not tried
   */
  public record Skip(long step, String why, boolean tried, String advice) {}

  /** After one more update. */
  Learning after(String learner, long step, UpdateResult update) {
    Updates before = of(learner);
    return with(
        learner,
        update.applied()
            ? before.applied(step, update.gradientNorm() != 0 && update.learningRate() != 0)
            : before.skipped(
                new Skip(
                    step,
                    "loss " + update.loss() + ", gradient norm " + update.gradientNorm(),
                    true,
                    "")));
  }

  /** After an update that could not even be tried. */
  Learning without(String learner, long step, String why, String advice) {
    return with(learner, of(learner).skipped(new Skip(step, why, false, advice)));
  }

  private Updates of(String learner) {
    return learners.getOrDefault(learner, Updates.NONE);
  }

  private Learning with(String learner, Updates updates) {
    Map<String, Updates> all = new TreeMap<>(learners);
    all.put(learner, updates);
    return new Learning(all);
  }

  /** Updates of all learners that were not done. */
  long skipped() {
    return learners.values().stream().mapToLong(Updates::skipped).sum();
  }

  /**
   * The first step whose state nothing shows to be sound, where a learner's updates were tried and
   * not done; empty when all is well. That is the step of its last update that was done: an update
   * that there was no sample for leaves the weights as they were.
   */
  OptionalLong unsoundFrom() {
    return learners.values().stream().filter(Updates::unsound).mapToLong(Updates::appliedAt).min();
  }

  /** The step that {@link #unsoundFrom} is, should the next update be tried and not done. */
  long unprovenFrom() {
    return learners.values().stream().mapToLong(Updates::appliedAt).min().orElse(0);
  }

  /** Whether the learner has learned anything. */
  boolean moved(String learner) {
    return of(learner).moved() > 0;
  }

  /** Why the stage must not go on, if a learner has had {@code limit} updates skipped in a row. */
  Optional<String> stuck(int limit) {
    return learners.entrySet().stream()
        .filter(entry -> entry.getValue().inRow() >= limit)
        .findFirst()
        .map(
            entry ->
                String.format(
                    Locale.ROOT,
                    "%d updates of the %s in a row were skipped, since step %d (limits.skipped-updates = %d): %s. %s",
                    entry.getValue().inRow(),
                    entry.getKey(),
                    entry.getValue().since(),
                    limit,
                    told(entry.getValue()),
                    advice(entry.getValue())));
  }

  /** Why a stage that has come to its end did not succeed, if a learner learned nothing. */
  Optional<String> nothing() {
    if (learners.isEmpty()) {
      return Optional.of("there was nothing to learn from: no update was tried");
    }
    return learners.entrySet().stream()
        .filter(entry -> entry.getValue().moved() == 0)
        .findFirst()
        .map(
            entry -> {
              Updates updates = entry.getValue();
              return updates.applied() == 0
                  ? String.format(
                      Locale.ROOT,
                      "none of the %d updates of the %s was done, since step %d: %s. %s",
                      updates.skipped(),
                      entry.getKey(),
                      updates.since(),
                      told(updates),
                      advice(updates))
                  : String.format(
                      Locale.ROOT,
                      "the %s learned nothing: in each of its %d updates the gradient norm or the learning rate was 0. Look at the data: they leave nothing to learn",
                      entry.getKey(),
                      updates.applied());
            });
  }

  /**
   * Why the state at a stage's end cannot be its result: since a learner's last update that was
   * done, no gradient was finite, so that nothing shows its weights to be sound.
   */
  Optional<String> unproven() {
    return learners.entrySet().stream()
        .filter(entry -> entry.getValue().unsound())
        .findFirst()
        .map(
            entry ->
                String.format(
                    Locale.ROOT,
                    "the last updates of the %s were skipped, since step %d, so that nothing shows its weights to be sound: %s. %s",
                    entry.getKey(),
                    entry.getValue().since(),
                    told(entry.getValue()),
                    advice(entry.getValue())));
  }

  private static String told(Updates updates) {
    String each =
        updates.last().stream()
            .map(skip -> "step " + skip.step() + ": " + skip.why())
            .collect(Collectors.joining("; "));
    return updates.inRow() > updates.last().size() ? "the last were " + each : each;
  }

  private static String advice(Updates updates) {
    if (!updates.unsound()) {
      return "No update was tried, so that the learning rate is not at fault. "
          + updates.last().get(updates.last().size() - 1).advice();
    }
    return updates.applied() == 0
        ? "Not one was done before: look at the model's weights and at the data; or lower the learning rate (optimizer.learning-rate)"
        : "Lower the learning rate (optimizer.learning-rate) or limit the gradient (optimizer.max-gradient-norm)";
  }
}
