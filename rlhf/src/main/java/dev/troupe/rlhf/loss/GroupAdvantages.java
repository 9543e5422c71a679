package dev.troupe.rlhf.loss;

import java.util.ArrayList;
import java.util.List;
import java.util.OptionalDouble;

/**
 * Advantages from the scores of several answers to one prompt: A_i = (r_i − baseline)/scale, one
 * per answer and the same for all its tokens. No critic is needed.
 *
 * <table>
 *   <caption>Which is which</caption>
 *   <tr><th>algorithm</th><th>baseline</th><th>scale</th></tr>
 *   <tr><td>GRPO (Shao et al. 2024, arXiv:2402.03300, section 4.1.2)</td><td>MEAN</td><td>GROUP
 *     </td></tr>
 *   <tr><td>Dr.GRPO (Liu et al. 2025, arXiv:2503.20783)</td><td>MEAN</td><td>NONE</td></tr>
 *   <tr><td>RLOO (Ahmadian et al. 2024, arXiv:2402.14740)</td><td>LEAVE_ONE_OUT</td><td>NONE
 *     </td></tr>
 *   <tr><td>ScaleRL (Khatri et al. 2025, arXiv:2510.13786)</td><td>MEAN</td><td>BATCH</td></tr>
 *   <tr><td>MaxRL (arXiv:2602.02710)</td><td>MEAN</td><td>GROUP_MEAN</td></tr>
 *   <tr><td>REINFORCE++ with a baseline (Hu et al. 2025, arXiv:2501.03262)</td><td>MEAN</td><td>NONE,
 *     then {@link TokenRewards}, {@link Returns} and {@link Whitening} over the round</td></tr>
 * </table>
 *
 * <p>A missing score is an answer that could not be scored. It takes part in no mean and no
 * deviation and has no advantage; nor has the only scored answer of its group, which nothing is
 * left to compare with.
 *
 * @param epsilon added to a deviation: 1e-4 in TRL, 1e-6 in verl and NeMo; read by GROUP and BATCH
 */
public record GroupAdvantages(Baseline baseline, Scale scale, double epsilon) {
  /** What is subtracted. */
  public enum Baseline {
    /** The mean of the group. */
    MEAN,
    /** The mean of the group's other answers: n/(n−1)·(r_i − mean). */
    LEAVE_ONE_OUT,
    /** Nothing: an answer stands for itself, whatever the others are worth. */
    NONE
  }

  /** What the difference is divided by. */
  public enum Scale {
    NONE,
    /** Standard deviation of the group (n − 1), plus ε. */
    GROUP,
    /** Standard deviation of all scores of the batch (n − 1), plus ε. */
    BATCH,
    /** The group's mean, for scores of at least 0; a group of zeros has advantages of 0. */
    GROUP_MEAN
  }

  public GroupAdvantages {
    Limit.atLeast("epsilon", epsilon, 0);
    if (baseline == Baseline.NONE && (scale == Scale.GROUP || scale == Scale.GROUP_MEAN)) {
      throw new IllegalArgumentException(
          "without a baseline there is no scale "
              + scale
              + " of the group to divide by; choose NONE or BATCH");
    }
  }

  /**
   * The advantages, in the order of the scores; absent where a score is, or is alone.
   *
   * @param groups per prompt the scores of its answers, at least two where there is a baseline
   */
  public List<List<OptionalDouble>> of(List<List<OptionalDouble>> groups) {
    double batch = deviation(groups.stream().flatMap(group -> present(group).stream()).toList());
    List<List<OptionalDouble>> advantages = new ArrayList<>(groups.size());
    for (List<OptionalDouble> group : groups) {
      advantages.add(ofGroup(group, batch));
    }
    return advantages;
  }

  /**
   * Whether a group teaches nothing, since all its scored answers are equally good, or fewer than
   * two have a score: dynamic sampling leaves it out and asks for another (DAPO, arXiv:2503.14476,
   * equation 11).
   */
  public static boolean constant(List<OptionalDouble> group) {
    return present(group).stream().distinct().count() < 2;
  }

  private List<OptionalDouble> ofGroup(List<OptionalDouble> group, double batchDeviation) {
    boolean compares = baseline != Baseline.NONE;
    if (compares && group.size() < 2) {
      throw new IllegalArgumentException(
          "a group has "
              + group.size()
              + " answer and its baseline is made of the answers to one prompt; sample at least 2"
              + " per prompt");
    }
    List<Double> scores = present(group);
    if (compares && scores.size() < 2) {
      return group.stream().map(score -> OptionalDouble.empty()).toList();
    }
    double mean = mean(scores);
    double divisor =
        switch (scale) {
          case NONE -> 1;
          case GROUP -> deviation(scores) + epsilon;
          case BATCH -> batchDeviation + epsilon;
          case GROUP_MEAN -> mean;
        };
    double factor =
        switch (baseline) {
          case MEAN, NONE -> 1;
          case LEAVE_ONE_OUT -> scores.size() / (scores.size() - 1.0);
        };
    double subtracted = compares ? mean : 0;
    boolean constant = compares && constant(group);
    List<OptionalDouble> advantages = new ArrayList<>(group.size());
    for (OptionalDouble score : group) {
      if (score.isEmpty()) {
        advantages.add(score);
        continue;
      }
      double difference = factor * (score.getAsDouble() - subtracted);
      if (scale == Scale.GROUP_MEAN && score.getAsDouble() < 0) {
        throw new IllegalArgumentException(
            "a score is "
                + score.getAsDouble()
                + " and dividing by the group's mean (MaxRL) needs scores of at least 0; choose"
                + " another scale or rewards from 0");
      }
      // All equal: there is nothing to scale, and the divisor may be 0.
      advantages.add(OptionalDouble.of(constant ? 0 : difference / divisor));
    }
    return advantages;
  }

  private static List<Double> present(List<OptionalDouble> scores) {
    List<Double> present = new ArrayList<>(scores.size());
    for (OptionalDouble score : scores) {
      if (score.isPresent()) {
        if (!Double.isFinite(score.getAsDouble())) {
          throw new IllegalArgumentException(
              "a score is "
                  + score.getAsDouble()
                  + "; an answer that could not be scored is absent, every other score is finite");
        }
        present.add(score.getAsDouble());
      }
    }
    return present;
  }

  private static double mean(List<Double> scores) {
    return scores.stream().mapToDouble(Double::doubleValue).average().orElse(0);
  }

  /** Divided by n − 1; 0 for fewer than two. */
  private static double deviation(List<Double> scores) {
    if (scores.size() < 2) {
      return 0;
    }
    double mean = mean(scores);
    double squares = 0;
    for (double score : scores) {
      squares += (score - mean) * (score - mean);
    }
    return Math.sqrt(squares / (scores.size() - 1));
  }
}
