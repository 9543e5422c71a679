package dev.troupe.rlhf.recipe;

import dev.troupe.protocol.data.Rollout;
import dev.troupe.rlhf.port.Score;
import dev.troupe.rlhf.port.Scorer;
import dev.troupe.rlhf.reward.GuardConfig;
import dev.troupe.rlhf.reward.HackingGuard;
import dev.troupe.rlhf.reward.HackingGuard.Alarm;
import dev.troupe.rlhf.reward.HackingGuard.Measured;
import dev.troupe.rlhf.reward.Scores;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalDouble;
import java.util.TreeMap;
import java.util.function.Consumer;
import java.util.stream.IntStream;

/**
 * The {@link HackingGuard} at a stage's measurements on the held-out prompts. Off, it measures
 * nothing.
 *
 * @param scorer of the rewards that are never trained on, where there are some
 * @param notice tells a person
 */
record Guard(GuardConfig config, Optional<Scorer> scorer, Consumer<String> notice) {
  static final Guard OFF =
      new Guard(GuardConfig.of(GuardConfig.Act.OFF), Optional.empty(), text -> {});

  /**
   * What it found at a measurement.
   *
   * @param history for the next, that at the start first
   * @param alarms that are new
   * @param stop whether the stage is to end
   */
  record Look(List<Measured> history, List<Alarm> alarms, boolean stop) {}

  /**
   * Further measures of answers, for their {@link Evaluation}.
   *
   * @param scores one per answer, NaN for one without; empty without a scorer
   */
  Map<String, Double> measures(List<Rollout> rollouts, List<Double> scores) {
    Map<String, Double> metrics = new TreeMap<>();
    if (!config.isOn()) {
      return metrics;
    }
    HackingGuard.repeated(rollouts).ifPresent(found -> metrics.put("repeatedFraction", found));
    List<Integer> scored =
        IntStream.range(0, scores.size()).filter(i -> !scores.get(i).isNaN()).boxed().toList();
    List<Double> values = scored.stream().map(scores::get).toList();
    HackingGuard.lengthCorrelation(
            values, scored.stream().map(i -> rollouts.get(i).length()).toList())
        .ifPresent(found -> metrics.put("lengthCorrelation", found));
    deviation(values).ifPresent(found -> metrics.put("scoreDeviation", found));
    scorer.ifPresent(
        judge -> {
          List<Score> found = Await.on(judge.score(rollouts));
          ScoreParts.of(found, Optional.empty())
              .forEach((name, value) -> metrics.put(Evaluation.named(name, "guard"), value));
          new Scores(found)
              .notices()
              .forEach(
                  text -> notice.accept("the guard's rewards, on the held-out prompts: " + text));
        });
    return metrics;
  }

  private static OptionalDouble deviation(List<Double> values) {
    double mean = values.stream().mapToDouble(Double::doubleValue).average().orElse(0);
    OptionalDouble variance = values.stream().mapToDouble(v -> (v - mean) * (v - mean)).average();
    return variance.isPresent()
        ? OptionalDouble.of(Math.sqrt(variance.getAsDouble()))
        : OptionalDouble.empty();
  }

  /**
   * Looks at a measurement.
   *
   * @param earlier what it saw before; empty before the first
   */
  Look look(List<Measured> earlier, long step, Evaluation start, Evaluation now) {
    if (!config.isOn()) {
      return new Look(earlier, List.of(), false);
    }
    List<Measured> history = new ArrayList<>(earlier);
    if (history.isEmpty()) {
      history.add(measured(0, start, Optional.empty()));
      if (scorer.isPresent() && history.get(0).heldOutScore().isEmpty()) {
        notice.accept(
            "the guard's rewards scored no answer at the start: without that it cannot see the"
                + " score rise alone (guard.falls), and no measurement stops the stage for it");
      }
    }
    history.add(measured(step, now, now.winRateOver(start)));
    List<Alarm> alarms = HackingGuard.news(config, history);
    boolean stop = config.act() == GuardConfig.Act.STOP && alarms.stream().anyMatch(Alarm::beyond);
    return new Look(List.copyOf(history), alarms, stop);
  }

  /**
   * Looks at the stage's result, unless it was looked at while training: nothing is left to stop.
   *
   * @param step after which the result was
   */
  List<Alarm> atEnd(List<Measured> earlier, long step, Evaluation start, Evaluation result) {
    return earlier.stream().anyMatch(measured -> measured.step() == step)
        ? List.of()
        : look(earlier, step, start, result).alarms();
  }

  private static Measured measured(long step, Evaluation now, Optional<Proportion> wins) {
    Map<String, Double> metrics = now.metrics();
    return new Measured(
        step,
        optional(metrics.get("responseLength")).orElse(Double.NaN),
        1 - optional(metrics.get("endedFraction")).orElse(Double.NaN),
        optional(metrics.get("repeatedFraction")).orElse(Double.NaN),
        optional(metrics.get("lengthCorrelation")),
        optional(metrics.get("kl")),
        optional(metrics.get("score")),
        optional(metrics.get("scoreDeviation")),
        optional(metrics.get("guardScore")),
        wins.map(
            rate ->
                new HackingGuard.WinRate(
                    rate.share(), Math.sqrt(rate.share() * (1 - rate.share()) / rate.total()))));
  }

  private static OptionalDouble optional(Double value) {
    return value == null ? OptionalDouble.empty() : OptionalDouble.of(value);
  }
}
