package dev.troupe.rlhf.recipe;

import dev.troupe.protocol.data.UpdateResult;
import dev.troupe.rlhf.port.Checkpoints.Saved;
import dev.troupe.rlhf.port.Role;
import dev.troupe.rlhf.reward.HackingGuard;
import java.util.HashSet;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.Set;
import java.util.concurrent.CompletionStage;
import java.util.function.Supplier;
import java.util.stream.Collectors;

/**
 * What lies between the steps of every stage: taking up an earlier run, notices, the report, the
 * checkpoint, the best state, and whether and how the stage ends.
 */
public final class Steps {
  private final StageContext context;
  private final int total;
  private final int evaluateEvery;
  private final BestConfig best;
  private final List<Role> trained;
  private boolean cancelled;

  /**
   * @param total steps when the stage runs to its end
   * @param evaluateEvery steps between measurements, 0 for none
   * @param trained the roles that a checkpoint holds; the first is the stage's result
   */
  public Steps(
      StageContext context, int total, int evaluateEvery, BestConfig best, List<Role> trained) {
    this.context = context;
    this.total = total;
    this.evaluateEvery = evaluateEvery;
    this.best = best;
    this.trained = List.copyOf(trained);
    cancelled = context.observer().cancelled();
  }

  /** How a stage ended. */
  public sealed interface Ending {
    /** The roles are in the state that is the result. */
    record Done(boolean early) implements Ending {}

    /** By the user; a checkpoint is there. */
    record Cancelled() implements Ending {}

    /** It did not learn, and what is left says so. */
    record Failed(String why) implements Ending {}

    default boolean done() {
      return this instanceof Done;
    }

    default boolean early() {
      return this instanceof Done ending && ending.early();
    }

    default boolean cancelled() {
      return this instanceof Cancelled;
    }

    default Optional<String> failure() {
      return this instanceof Failed failed ? Optional.of(failed.why()) : Optional.empty();
    }
  }

  /** The state of an earlier run, taken up by the roles too; empty when there is none. */
  public <S extends Record> Optional<S> resumed(Class<S> type) {
    Optional<Saved<S>> saved = context.checkpoints().latest(context.stage(), type);
    saved.ifPresent(found -> restore(found.directory(), trained));
    return saved.map(Saved::state);
  }

  private static void restore(String directory, List<Role> roles) {
    List<CompletionStage<Void>> restoring =
        roles.stream().map(role -> role.restore(directory + "/" + role.spec().name())).toList();
    restoring.forEach(Await::on);
  }

  /** Whether there is one more step to do. */
  public boolean goesOn(Progress progress) {
    return !cancelled
        && progress.step() < total
        && progress.stopped().isEmpty()
        && !stoppedEarly(progress)
        && progress.learning().stuck(context.skippedUpdates()).isEmpty();
  }

  private boolean stoppedEarly(Progress progress) {
    return best.patience() > 0 && progress.sinceBest() >= best.patience();
  }

  /**
   * What a step came to.
   *
   * @param progress to keep in the stage's state
   * @param metrics to report; more can be put in
   */
  public record Step(Progress progress, Map<String, Double> metrics, Phases phases) {}

  /**
   * Enters a step of one update: in the books, in what was learned and in the metrics; and measures
   * on held-out data where that is due.
   *
   * @param learner that was updated
   * @param samples all learned from, or none where the update was skipped
   * @param tokens of these
   * @param heldOut measures, by the names of docs/metrics.md
   */
  public Step learned(
      Progress before,
      String learner,
      int samples,
      long tokens,
      UpdateResult update,
      Phases phases,
      Supplier<Map<String, Double>> heldOut) {
    long step = before.step() + 1;
    Ledger ledger = new Ledger(before.account());
    Samples.learned(ledger, step, samples, update.applied());
    Learning learning = learned(before.learning(), learner, step, update);
    Map<String, Double> metrics = Samples.metrics(update, tokens, phases);
    if (measures(step)) {
      metrics.putAll(phases.time("score", heldOut));
    }
    return new Step(measured(before.after(ledger.account(), learning), metrics), metrics, phases);
  }

  /** A step's end: reports it, checks whether to stop, and writes a checkpoint when one is due. */
  public void done(Step step, Record state) {
    done(step.progress(), state, step.metrics(), step.phases().seconds());
  }

  /** Whether to measure on the held-out data after this step. */
  boolean measures(long step) {
    boolean last = step == total;
    return best.metric().isPresent()
        ? last || step % evaluateEvery == 0
        : !last && evaluateEvery > 0 && step % evaluateEvery == 0;
  }

  /**
   * Of {@code metrics}, the held-out ones were measured after this step. While updates are skipped
   * no state is kept, so none of these can be the best.
   */
  Progress measured(Progress progress, Map<String, Double> metrics) {
    return progress.learning().unsoundFrom().isPresent()
        ? progress
        : progress.measured(best, metrics);
  }

  /** Tells of signs that a reward is gamed, and has the stage end where it is to. */
  Progress guarded(Progress progress, Guard.Look look) {
    tell(progress.step(), look.alarms());
    if (!look.stop()) {
      return progress;
    }
    String why =
        look.alarms().stream()
            .filter(HackingGuard.Alarm::beyond)
            .map(HackingGuard.Alarm::text)
            .collect(Collectors.joining("; "));
    notice(
        String.format(
            Locale.ROOT,
            "stopped by %s.guard after step %d of %d: %s. %s",
            context.stage(),
            progress.step(),
            total,
            why,
            best.metric().isPresent()
                ? "The best state that was measured is the result"
                : "The state after this step is the result; with best.metric it is the best one"
                    + " that was measured"));
    return progress.stopping(why);
  }

  /** Tells of such signs in the state that became the result. */
  void guardedAtEnd(
      Progress progress,
      Guard guard,
      List<HackingGuard.Measured> earlier,
      Evaluation start,
      Evaluation result) {
    long step = progress.best().map(Best::step).orElse(progress.step());
    tell(step, guard.atEnd(earlier, step, start, result));
  }

  private void tell(long step, List<HackingGuard.Alarm> alarms) {
    for (HackingGuard.Alarm alarm : alarms) {
      notice(
          String.format(Locale.ROOT, "step %d: a sign of a gamed reward: %s", step, alarm.text()));
    }
  }

  /** Enters an update, and tells of one that was skipped. */
  Learning learned(Learning before, String learner, long step, UpdateResult update) {
    Learning after = before.after(learner, step, update);
    if (!update.applied()) {
      notice(
          String.format(
              Locale.ROOT,
              "step %d: the %s's gradient norm is %s, its loss %s: the update was skipped and its samples count as dropped. If this repeats, lower the learning rate",
              step,
              learner,
              update.gradientNorm(),
              update.loss()));
    }
    return after;
  }

  /** Enters an update that there was nothing for. */
  Learning without(Learning before, String learner, long step, String why, String advice) {
    notice(
        String.format(
            Locale.ROOT, "step %d: no update of the %s: %s. %s", step, learner, why, advice));
    return before.without(learner, step, why, advice);
  }

  /** After a step: reports it, checks whether to stop, and writes a checkpoint when one is due. */
  void done(
      Progress progress, Record state, Map<String, Double> metrics, Map<String, Double> seconds) {
    done(progress, () -> state, metrics, seconds);
  }

  /**
   * The same.
   *
   * @param state asked for when it is to be written alone
   */
  void done(
      Progress progress,
      Supplier<Record> state,
      Map<String, Double> metrics,
      Map<String, Double> seconds) {
    context.observer().step(context.stage(), progress.step(), total, metrics, seconds);
    cancelled = context.observer().cancelled();
    boolean isBest = progress.best().map(found -> found.step() == progress.step()).orElse(false);
    boolean due = context.checkpoints().due(context.stage(), progress.step(), cancelled);
    // While updates come to nothing the roles may be beyond repair: what was kept before stays.
    if ((due || isBest) && progress.learning().unsoundFrom().isEmpty()) {
      checkpoint(progress, state.get());
    }
  }

  private void checkpoint(Progress progress, Record state) {
    String directory = context.checkpoints().begin(context.stage(), progress.step());
    List<CompletionStage<Void>> writing =
        trained.stream()
            .map(role -> role.checkpoint(directory + "/" + role.spec().name()))
            .toList();
    writing.forEach(Await::on);
    Set<Long> kept = new HashSet<>();
    progress.best().ifPresent(found -> kept.add(found.step()));
    // Where the weights are those of an earlier step, so is what proves them: the checkpoint before
    // that step stays.
    long unproven = progress.learning().unprovenFrom();
    if (unproven < progress.step()) {
      context.checkpoints().newestBefore(context.stage(), unproven).ifPresent(kept::add);
    }
    context.checkpoints().commit(context.stage(), progress.step(), state, kept);
  }

  private void notice(String text) {
    context.observer().notice(context.stage(), text);
  }

  private void info(String text) {
    context.observer().info(context.stage(), text);
  }

  /**
   * After the last step: the first of the roles is put into the state that is the result, and saved
   * where the stage is done; the last sound state is saved where it failed.
   */
  public Ending end(Progress progress) {
    Optional<String> why = progress.learning().stuck(context.skippedUpdates());
    if (why.isEmpty() && cancelled) {
      return new Ending.Cancelled();
    }
    if (why.isEmpty()) {
      why = progress.learning().nothing();
    }
    if (why.isEmpty() && !hasSoundBest(progress)) {
      why = progress.learning().unproven();
    }
    if (why.isPresent()) {
      return failed(progress, why.get());
    }
    boolean early = progress.step() < total;
    progress.best().ifPresent(found -> takeBest(progress, found, early));
    Await.on(trained.get(0).save(context.output()));
    return new Ending.Done(early);
  }

  /** One after which an update was done: the result, whatever became of the last steps. */
  private static boolean hasSoundBest(Progress progress) {
    long from = progress.learning().unsoundFrom().orElse(Long.MAX_VALUE);
    return progress.best().filter(found -> found.step() < from).isPresent();
  }

  private void takeBest(Progress progress, Best found, boolean early) {
    if (early && progress.stopped().isEmpty()) {
      info(
          String.format(
              Locale.ROOT,
              "stopped early after step %d of %d: %d measurements in a row were not better",
              progress.step(),
              total,
              progress.sinceBest()));
    }
    if (found.step() != progress.step()) {
      info(
          String.format(
              Locale.ROOT,
              "the best %s, %s, was measured after step %d: that state is the result",
              found.metric(),
              found.value(),
              found.step()));
      restore(
          context.checkpoints().directory(context.stage(), found.step()), trained.subList(0, 1));
    }
  }

  /**
   * The state that made an update impossible is not sound either, nor is any since the update that
   * made that state. Where there was only no sample to learn from, the weights are as good as after
   * the last update.
   */
  private Ending failed(Progress progress, String why) {
    Role result = trained.get(0);
    OptionalLong unsound = progress.learning().unsoundFrom();
    unsound.ifPresent(step -> context.checkpoints().discard(context.stage(), step));
    OptionalLong sound =
        unsound.isPresent()
            ? context.checkpoints().newest(context.stage())
            : progress.learning().moved(result.spec().name())
                ? OptionalLong.of(progress.step())
                : OptionalLong.empty();
    if (sound.isPresent()) {
      if (unsound.isPresent()) {
        restore(
            context.checkpoints().directory(context.stage(), sound.getAsLong()), List.of(result));
      }
      Await.on(result.save(context.output()));
    }
    return new Ending.Failed(
        String.format(
            Locale.ROOT,
            "stage %s failed after step %d of %d: %s. %s",
            context.stage(),
            progress.step(),
            total,
            why,
            sound.isPresent()
                ? String.format(
                    Locale.ROOT,
                    "The last sound state, after step %d, is saved in %s",
                    sound.getAsLong(),
                    context.output())
                : "Nothing of it was saved: there is no sound state with anything learned"));
  }
}
