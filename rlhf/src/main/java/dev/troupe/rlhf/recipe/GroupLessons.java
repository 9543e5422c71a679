package dev.troupe.rlhf.recipe;

import dev.troupe.protocol.data.Example;
import dev.troupe.protocol.data.Experience;
import dev.troupe.protocol.data.Floats;
import dev.troupe.protocol.data.Objective;
import dev.troupe.rlhf.loss.Averaging;
import dev.troupe.rlhf.loss.DpoObjective;
import dev.troupe.rlhf.loss.DpoPair;
import dev.troupe.rlhf.loss.GroupAdvantages;
import dev.troupe.rlhf.loss.ImportanceWeights;
import dev.troupe.rlhf.loss.Masked;
import dev.troupe.rlhf.loss.PolicyExample;
import dev.troupe.rlhf.loss.PolicyObjective;
import dev.troupe.rlhf.loss.Returns;
import dev.troupe.rlhf.loss.SftExample;
import dev.troupe.rlhf.loss.SftObjective;
import dev.troupe.rlhf.port.ScorerException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.List;
import java.util.Optional;
import java.util.OptionalDouble;

/**
 * What a round's groups teach, and by which loss.
 *
 * @param groups lessons by the prompt that they answer; no group is empty
 */
record GroupLessons<E extends Example>(Objective<E> objective, List<List<GroupLesson<E>>> groups) {
  static final String TRUNCATED = "truncated";
  static final String CONSTANT = "constant group";
  static final String ALONE = "no other answer with a score";

  List<GroupLesson<E>> all() {
    return groups.stream().flatMap(List::stream).toList();
  }

  /** Whether a step would be none: no lesson is left, or every advantage is 0 and no other term. */
  boolean teachNothing() {
    return all().stream()
        .allMatch(
            lesson ->
                lesson.example() instanceof PolicyExample example
                    && objective instanceof PolicyObjective policy
                    && policy.kl().coefficient() == 0
                    && policy.entropyCoefficient() == 0
                    && isZero(example.advantages()));
  }

  private static boolean isZero(Floats values) {
    for (float value : values.values()) {
      if (value != 0) {
        return false;
      }
    }
    return true;
  }

  /** By the configuration; answers that teach nothing are dropped. */
  static GroupLessons<?> of(GrpoConfig config, List<List<GroupAnswer>> groups, Ledger ledger) {
    if (config.learn() instanceof Learn.PolicyGradient gradient) {
      return policyGradient(config, gradient, groups, ledger);
    }
    if (config.learn() instanceof Learn.BestOfN best) {
      return bestOfN(config, best, groups, ledger);
    }
    if (config.learn() instanceof Learn.Preferences preferences) {
      return preferences(config, preferences, groups, ledger);
    }
    throw new IllegalStateException("nothing is known of " + config.learn());
  }

  // --- policy gradient ---

  private static GroupLessons<PolicyExample> policyGradient(
      GrpoConfig config,
      Learn.PolicyGradient learn,
      List<List<GroupAnswer>> groups,
      Ledger ledger) {
    PolicyObjective objective =
        new PolicyObjective(
            learn.ratio(),
            learn.surrogate().surrogate(),
            config.kl().term(),
            learn.entropyCoefficient(),
            learn.averaging() == Learn.Mean.TOKEN ? Averaging.GLOBAL_TOKEN : Averaging.SEQUENCE,
            PolicyObjective.LOG_RATIO_LIMIT);
    List<List<OptionalDouble>> advantages = advantages(config, groups);
    List<List<GroupAnswer>> kept = new ArrayList<>();
    List<Floats> perToken = new ArrayList<>();
    for (int g = 0; g < groups.size(); g++) {
      List<GroupAnswer> answers = new ArrayList<>();
      for (int i = 0; i < groups.get(g).size(); i++) {
        GroupAnswer answer = groups.get(g).get(i);
        OptionalDouble advantage = advantages.get(g).get(i);
        if (advantage.isEmpty()) {
          answer.drop(ledger, ALONE);
        } else if (answer.truncated() && config.length().leaveOutTruncated()) {
          answer.drop(ledger, TRUNCATED);
        } else {
          answers.add(answer);
          perToken.add(credited(config, answer, advantage.getAsDouble()));
        }
      }
      if (!answers.isEmpty()) {
        kept.add(answers);
      }
    }
    List<Floats> whitened =
        config.advantages().whitening().apply(perToken, Masked.Variance.UNBIASED);
    List<List<GroupLesson<PolicyExample>>> lessons = new ArrayList<>();
    int at = 0;
    for (List<GroupAnswer> answers : kept) {
      List<GroupLesson<PolicyExample>> group = new ArrayList<>();
      // The objective's mean is over answers: a prompt with fewer of them left weighs as much.
      double promptLength =
          (double) answers.stream().mapToInt(GroupAnswer::tokens).sum()
              * kept.size()
              / perToken.size();
      for (GroupAnswer answer : answers) {
        Floats advantage = taught(config, answer, whitened.get(at++));
        double length =
            switch (learn.averaging()) {
              case TOKEN, ANSWER -> answer.tokens();
              case LIMIT -> config.generation().maxNewTokens();
              case PROMPT -> promptLength;
            };
        group.add(
            new GroupLesson<>(
                answer.samples(),
                new PolicyExample(
                    answer.rollout().sequence(),
                    answer.logprobs(),
                    weighted(config, answer, advantage),
                    config.kl().term().coefficient() > 0
                        ? answer.refLogprobs().orElseThrow()
                        : Floats.EMPTY,
                    length),
                answer.again() ? List.of() : List.of(experience(answer, Optional.of(advantage)))));
      }
      lessons.add(group);
    }
    return new GroupLessons<>(objective, lessons);
  }

  /** One per answer; without a scorer all are 0, and the teacher says the rest. */
  private static List<List<OptionalDouble>> advantages(
      GrpoConfig config, List<List<GroupAnswer>> groups) {
    GroupAdvantagesConfig wanted = config.advantages();
    boolean scored = groups.stream().flatMap(List::stream).anyMatch(it -> it.score().isPresent());
    boolean offTheScore =
        config.kl().inReward() && wanted.credit() == GroupAdvantagesConfig.Credit.ANSWER;
    if (!scored && !offTheScore) {
      return groups.stream()
          .map(group -> group.stream().map(answer -> OptionalDouble.of(0)).toList())
          .toList();
    }
    if (wanted.scale() == GroupAdvantages.Scale.GROUP_MEAN) {
      checkNotNegative(groups);
    }
    List<List<OptionalDouble>> scores =
        groups.stream()
            .map(
                group ->
                    group.stream()
                        .map(
                            answer ->
                                OptionalDouble.of(
                                    answer.shaped() - (offTheScore ? penalty(config, answer) : 0)))
                        .toList())
            .map(scoresOfGroup -> alone(config, scoresOfGroup))
            .toList();
    return new GroupAdvantages(wanted.baseline(), wanted.scale(), wanted.epsilon()).of(scores);
  }

  /** Of a function of the user's or a service nobody knows this before. */
  private static void checkNotNegative(List<List<GroupAnswer>> groups) {
    groups.stream()
        .flatMap(List::stream)
        .filter(answer -> answer.shaped() < 0)
        .findFirst()
        .ifPresent(
            answer -> {
              throw new ScorerException(
                  "the score of an answer to "
                      + answer.rollout().prompt().id()
                      + " is "
                      + answer.shaped()
                      + " and grpo.advantages.scale = group-mean (MaxRL) needs scores of at least 0:"
                      + " choose another scale, or rewards from 0");
            });
  }

  /** The only scored answer of its group keeps a place beside it that has none. */
  private static List<OptionalDouble> alone(GrpoConfig config, List<OptionalDouble> scores) {
    if (scores.size() > 1 || config.advantages().baseline() == GroupAdvantages.Baseline.NONE) {
      return scores;
    }
    return List.of(scores.get(0), OptionalDouble.empty());
  }

  private static double penalty(GrpoConfig config, GroupAnswer answer) {
    return config.kl().coefficient()
        * config
            .kl()
            .estimator()
            .sum(answer.divergingLogprobs(), answer.refLogprobs().orElseThrow());
  }

  private static Floats credited(GrpoConfig config, GroupAnswer answer, double advantage) {
    float[] each = new float[answer.tokens()];
    if (config.advantages().credit() == GroupAdvantagesConfig.Credit.ANSWER) {
      Arrays.fill(each, (float) advantage);
      return new Floats(each);
    }
    for (int t = 0; t < each.length; t++) {
      double penalty =
          config.kl().inReward()
              ? config.kl().coefficient()
                  * config
                      .kl()
                      .estimator()
                      .estimate(
                          answer.divergingLogprobs().get(t),
                          answer.refLogprobs().orElseThrow().get(t))
              : 0;
      each[t] = (float) ((t == each.length - 1 ? advantage : 0) - penalty);
    }
    return Returns.discounted(new Floats(each), config.advantages().gamma());
  }

  private static Floats taught(GrpoConfig config, GroupAnswer answer, Floats advantages) {
    if (answer.teacherLogprobs().isEmpty()) {
      return advantages;
    }
    Floats differences =
        Returns.distillation(
            answer.logprobs(),
            answer.teacherLogprobs().get(),
            config.teacher().coefficient(),
            config.teacher().gamma());
    float[] sums = advantages.values().clone();
    for (int t = 0; t < sums.length; t++) {
      sums[t] += differences.get(t);
    }
    return new Floats(sums);
  }

  /** A weight above 0 on a token's loss is the same weight on its advantage. */
  private static Floats weighted(GrpoConfig config, GroupAnswer answer, Floats advantages) {
    Optional<Double> cap = config.policy().importanceCap();
    if (cap.isEmpty()) {
      return advantages;
    }
    Floats weights =
        ImportanceWeights.truncated(answer.logprobs(), answer.rollout().logprobs(), cap.get());
    float[] weighted = advantages.values().clone();
    for (int t = 0; t < weighted.length; t++) {
      weighted[t] *= weights.get(t);
    }
    return new Floats(weighted);
  }

  // --- best of n ---

  private static GroupLessons<SftExample> bestOfN(
      GrpoConfig config, Learn.BestOfN learn, List<List<GroupAnswer>> groups, Ledger ledger) {
    List<List<GroupLesson<SftExample>>> lessons = new ArrayList<>();
    for (List<GroupAnswer> group : groups) {
      List<GroupAnswer> candidates = candidates(config, group, ledger);
      if (candidates.isEmpty()) {
        continue;
      }
      GroupAnswer best = best(candidates);
      boolean good = learn.above().map(bound -> best.shaped() > bound).orElse(true);
      for (GroupAnswer answer : candidates) {
        if (!answer.sample().equals(best.sample())) {
          ledger.dropped(answer.sample(), "not the best of its group");
        } else if (!good) {
          ledger.dropped(answer.sample(), "not above learn.above");
        }
      }
      if (good) {
        lessons.add(
            List.of(
                new GroupLesson<>(
                    List.of(best.sample()),
                    new SftExample(best.rollout().sequence()),
                    List.of(experience(best, Optional.empty())))));
      }
    }
    return new GroupLessons<>(new SftObjective(Averaging.GLOBAL_TOKEN), lessons);
  }

  // --- online preferences ---

  private static GroupLessons<DpoPair> preferences(
      GrpoConfig config, Learn.Preferences learn, List<List<GroupAnswer>> groups, Ledger ledger) {
    List<List<GroupLesson<DpoPair>>> lessons = new ArrayList<>();
    for (List<GroupAnswer> group : groups) {
      List<GroupAnswer> candidates = candidates(config, group, ledger);
      if (candidates.size() < 2) {
        candidates.forEach(answer -> ledger.dropped(answer.sample(), ALONE));
        continue;
      }
      GroupAnswer best = best(candidates);
      GroupAnswer worst = worst(candidates);
      if (best.shaped() == worst.shaped()) {
        candidates.forEach(answer -> ledger.dropped(answer.sample(), CONSTANT));
        continue;
      }
      for (GroupAnswer answer : candidates) {
        if (!answer.sample().equals(best.sample()) && !answer.sample().equals(worst.sample())) {
          ledger.dropped(answer.sample(), "neither best nor worst of its group");
        }
      }
      lessons.add(
          List.of(
              new GroupLesson<>(
                  List.of(best.sample(), worst.sample()),
                  new DpoPair(
                      best.rollout().sequence(),
                      worst.rollout().sequence(),
                      sum(best.refLogprobs().orElseThrow()),
                      sum(worst.refLogprobs().orElseThrow())),
                  List.of(
                      experience(best, Optional.empty()), experience(worst, Optional.empty())))));
    }
    return new GroupLessons<>(
        new DpoObjective(learn.variant(), learn.beta(), learn.labelSmoothing(), 0), lessons);
  }

  private static List<GroupAnswer> candidates(
      GrpoConfig config, List<GroupAnswer> group, Ledger ledger) {
    List<GroupAnswer> candidates = new ArrayList<>();
    for (GroupAnswer answer : group) {
      if (answer.truncated() && config.length().leaveOutTruncated()) {
        ledger.dropped(answer.sample(), TRUNCATED);
      } else {
        candidates.add(answer);
      }
    }
    return candidates;
  }

  /** The first of the best. */
  private static GroupAnswer best(List<GroupAnswer> answers) {
    return answers.stream()
        .min(Comparator.comparingDouble((GroupAnswer answer) -> -answer.shaped()))
        .orElseThrow();
  }

  /** The first of the worst. */
  private static GroupAnswer worst(List<GroupAnswer> answers) {
    return answers.stream().min(Comparator.comparingDouble(GroupAnswer::shaped)).orElseThrow();
  }

  private static double sum(Floats values) {
    double sum = 0;
    for (float value : values.values()) {
      sum += value;
    }
    return sum;
  }

  private static Experience experience(GroupAnswer answer, Optional<Floats> advantages) {
    return new Experience(
        answer.rollout(),
        answer.score(),
        answer.refLogprobs(),
        Optional.empty(),
        advantages,
        Optional.empty());
  }
}
