package dev.troupe.rlhf.reward;

import dev.troupe.protocol.data.Rollout;
import dev.troupe.protocol.data.TokenIds;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashSet;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.OptionalDouble;
import java.util.Set;

/**
 * Looks for signs that a policy satisfies its reward and not what the reward stands for (Gao et al.
 * 2022, arXiv:2210.10760): answers that grow or repeat themselves, a score that rises while one it
 * is not trained on falls, a win rate past its best.
 */
public final class HackingGuard {
  private static final int GRAM = 4;

  /** A score has risen by so many of its standard deviations. */
  private static final double RISE = 0.5;

  /** By less than this share nothing passes a bound: shares are quotients of whole numbers. */
  private static final double ROUNDING = 1e-9;

  private HackingGuard() {}

  /**
   * A share of wins over the replies at the start.
   *
   * @param standardError of the rate
   */
  public record WinRate(double rate, double standardError) {}

  /**
   * What one evaluation on held-out prompts found. What was not measured is absent, or NaN, which
   * is above no bound.
   *
   * @param length mean tokens of an answer
   * @param truncated share of answers that the length limit cut
   * @param repeated mean share of 4-grams of tokens that were there before
   * @param lengthCorrelation of score and length over the answers
   * @param kl to the start, nats per answer
   * @param score mean, by the reward that is trained on
   * @param scoreDeviation standard deviation of that score over the answers
   * @param heldOutScore mean, by a scorer that is not trained on
   */
  public record Measured(
      long step,
      double length,
      double truncated,
      double repeated,
      OptionalDouble lengthCorrelation,
      OptionalDouble kl,
      OptionalDouble score,
      OptionalDouble scoreDeviation,
      OptionalDouble heldOutScore,
      Optional<WinRate> winRate) {}

  /** What is looked for. */
  public enum Sign {
    LONGER,
    CUT,
    REPEATED,
    KL,
    LENGTH_CORRELATION,
    SCORES_APART,
    WIN_RATE
  }

  /**
   * A sign that was seen.
   *
   * @param text for a person: what, found against allowed
   * @param beyond whether the bound of stopping is passed, not that of warning alone
   */
  public record Alarm(Sign sign, String text, boolean beyond) {}

  /**
   * Signs in the newest evaluation that those before it had not, or not as far.
   *
   * @param history all evaluations in their order, that at the start first; at least one
   */
  public static List<Alarm> news(GuardConfig config, List<Measured> history) {
    List<Alarm> before =
        history.size() > 1 ? look(config, history.subList(0, history.size() - 1)) : List.of();
    return look(config, history).stream()
        .filter(
            alarm ->
                before.stream()
                    .noneMatch(
                        told -> told.sign() == alarm.sign() && (told.beyond() || !alarm.beyond())))
        .toList();
  }

  /**
   * Signs in the newest evaluation.
   *
   * @param history all evaluations in their order, that at the start first; at least one
   */
  public static List<Alarm> look(GuardConfig config, List<Measured> history) {
    Measured start = history.get(0);
    Measured now = history.get(history.size() - 1);
    List<Alarm> alarms = new ArrayList<>();
    if (start.length() > 0) {
      above(
          alarms,
          Sign.LONGER,
          "answers are longer than at the start, in the mean by the factor",
          now.length() / start.length(),
          config.longer());
    }
    above(
        alarms,
        Sign.CUT,
        "more answers are cut than at the start, by a share of",
        now.truncated() - start.truncated(),
        config.truncated());
    above(
        alarms,
        Sign.REPEATED,
        "more 4-grams repeat themselves than at the start, by a share of",
        now.repeated() - start.repeated(),
        config.repeated());
    now.kl().ifPresent(kl -> above(alarms, Sign.KL, "KL to the start in nats", kl, config.kl()));
    now.lengthCorrelation()
        .ifPresent(
            correlation -> {
              double bound = config.lengthCorrelation();
              if (passes(correlation, bound)
                  && !passes(start.lengthCorrelation().orElse(0), bound)) {
                alarms.add(
                    new Alarm(
                        Sign.LENGTH_CORRELATION,
                        text("the score follows the length: correlation", correlation, bound),
                        false));
              }
            });
    apart(config, history).ifPresent(alarms::add);
    pastItsBest(config, history).ifPresent(alarms::add);
    return alarms;
  }

  private static void above(
      List<Alarm> alarms, Sign sign, String what, double found, GuardConfig.Bounds bounds) {
    if (passes(found, bounds.warn())) {
      boolean beyond = passes(found, bounds.stop());
      alarms.add(
          new Alarm(sign, text(what, found, beyond ? bounds.stop() : bounds.warn()), beyond));
    }
  }

  private static boolean passes(double found, double bound) {
    return found - bound > ROUNDING * Math.max(1, Math.abs(bound));
  }

  private static String text(String what, double found, double allowed) {
    return String.format(Locale.ROOT, "%s %.3g, allowed up to %.3g", what, found, allowed);
  }

  /**
   * The trained score is well above the start's, and the other one no better than at the start. An
   * evaluation that lacks one of the two says nothing of that.
   */
  private static Optional<Alarm> apart(GuardConfig config, List<Measured> history) {
    Measured start = history.get(0);
    if (start.score().isEmpty()
        || start.scoreDeviation().isEmpty()
        || start.heldOutScore().isEmpty()) {
      return Optional.empty();
    }
    List<Measured> known =
        history.stream()
            .skip(1)
            .filter(it -> it.score().isPresent() && it.heldOutScore().isPresent())
            .toList();
    int falls = 0;
    for (int i = known.size() - 1; i >= 0; i--) {
      if (!isApart(start, known.get(i))) {
        break;
      }
      falls++;
    }
    if (falls < (config.falls() + 1) / 2) {
      return Optional.empty();
    }
    Measured now = known.get(known.size() - 1);
    return Optional.of(
        new Alarm(
            Sign.SCORES_APART,
            String.format(
                Locale.ROOT,
                "the score rose from %.4g to %.4g, and that of a scorer not trained on went from"
                    + " %.4g to %.4g, in %d evaluations in a row",
                start.score().orElseThrow(),
                now.score().orElseThrow(),
                start.heldOutScore().orElseThrow(),
                now.heldOutScore().orElseThrow(),
                falls),
            falls >= config.falls()));
  }

  private static boolean isApart(Measured start, Measured now) {
    double rise = now.score().orElseThrow() - start.score().orElseThrow();
    return rise > 0
        && !passes(RISE * start.scoreDeviation().orElseThrow(), rise)
        && !passes(now.heldOutScore().orElseThrow(), start.heldOutScore().orElseThrow());
  }

  private static Optional<Alarm> pastItsBest(GuardConfig config, List<Measured> history) {
    Optional<WinRate> now = history.get(history.size() - 1).winRate();
    if (now.isEmpty()) {
      return Optional.empty();
    }
    WinRate best =
        history.stream()
            .flatMap(measured -> measured.winRate().stream())
            .max(Comparator.comparingDouble(WinRate::rate).thenComparing(WinRate::standardError))
            .orElseThrow();
    // A rate of 0 or 1 has no width of its own.
    double width = Math.max(best.standardError(), now.get().standardError());
    return now.filter(rate -> passes(best.rate() - rate.rate(), config.standardErrors() * width))
        .map(
            rate ->
                new Alarm(
                    Sign.WIN_RATE,
                    String.format(
                        Locale.ROOT,
                        "the win rate over the start is %.3g, its best was %.3g; allowed: %.3g"
                            + " standard errors of %.3g below that",
                        rate.rate(),
                        best.rate(),
                        config.standardErrors(),
                        width),
                    true));
  }

  /**
   * Mean share of 4-grams of tokens that were there before; answers of fewer tokens have none, and
   * episodes that failed do not count.
   *
   * @return absent without an answer that counts
   */
  public static OptionalDouble repeated(List<Rollout> rollouts) {
    return rollouts.stream()
        .filter(it -> !it.failed())
        .mapToDouble(it -> repeated(it.sampled()))
        .average();
  }

  private static double repeated(TokenIds tokens) {
    int grams = tokens.size() - GRAM + 1;
    if (grams < 1) {
      return 0;
    }
    Set<List<Integer>> different = new HashSet<>();
    for (int i = 0; i < grams; i++) {
      different.add(
          List.of(tokens.get(i), tokens.get(i + 1), tokens.get(i + 2), tokens.get(i + 3)));
    }
    return 1 - (double) different.size() / grams;
  }

  /** Pearson's of scores and lengths; absent where one of the two does not vary. */
  public static OptionalDouble lengthCorrelation(List<Double> scores, List<Integer> lengths) {
    int n = scores.size();
    double meanScore = scores.stream().mapToDouble(Double::doubleValue).average().orElse(0);
    double meanLength = lengths.stream().mapToDouble(Integer::doubleValue).average().orElse(0);
    double both = 0;
    double score = 0;
    double length = 0;
    for (int i = 0; i < n; i++) {
      double s = scores.get(i) - meanScore;
      double l = lengths.get(i) - meanLength;
      both += s * l;
      score += s * s;
      length += l * l;
    }
    double scale = Math.sqrt(score * length);
    return scale > 0 ? OptionalDouble.of(both / scale) : OptionalDouble.empty();
  }
}
