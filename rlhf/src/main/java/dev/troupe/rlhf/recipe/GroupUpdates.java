package dev.troupe.rlhf.recipe;

import dev.troupe.protocol.data.Example;
import dev.troupe.protocol.data.UpdateResult;
import dev.troupe.rlhf.port.Role;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;

/**
 * The updates of the policy that a round's groups come to: epochs of minibatches, groups whole.
 *
 * @param rule name of the part of a score that says whether an answer is right
 */
record GroupUpdates(GrpoConfig config, Role policy, Steps steps, long seed, Optional<String> rule) {
  /** Does them, and says how the policy stands after the round. */
  Learning of(
      GroupLessons<?> lessons,
      GroupRound round,
      long iteration,
      Averages averages,
      Ledger ledger,
      Learning before) {
    return lessons.teachNothing()
        ? none(lessons, round, iteration, ledger, before)
        : all(lessons, iteration, averages, ledger, before);
  }

  private <E extends Example> Learning all(
      GroupLessons<E> lessons, long iteration, Averages averages, Ledger ledger, Learning before) {
    Learning learning = before;
    Set<String> learned = new HashSet<>();
    for (int epoch = 0; epoch < config.epochs(); epoch++) {
      long pass = (iteration - 1) * config.epochs() + epoch;
      for (List<GroupLesson<E>> minibatch : minibatches(lessons.groups(), pass)) {
        UpdateResult update =
            Await.on(
                policy.update(
                    lessons.objective(), minibatch.stream().map(GroupLesson::example).toList()));
        averages.addAll(update);
        averages.add("loss", update.loss());
        averages.add("gradientNorm", update.gradientNorm());
        averages.add("learningRate", update.learningRate());
        learning = steps.learned(learning, GrpoRoles.POLICY, iteration, update);
        if (update.applied()) {
          minibatch.forEach(lesson -> learned.addAll(lesson.samples()));
        }
      }
    }
    for (GroupLesson<E> lesson : lessons.all()) {
      for (String sample : lesson.samples()) {
        if (learned.contains(sample)) {
          ledger.trained(sample);
        } else {
          ledger.dropped(sample, Samples.UPDATE_SKIPPED);
        }
      }
    }
    return learning;
  }

  private <E extends Example> List<List<GroupLesson<E>>> minibatches(
      List<List<GroupLesson<E>>> groups, long pass) {
    boolean several = config.minibatches() > 1 && groups.size() > 1;
    List<List<GroupLesson<E>>> ordered =
        several
            ? Minibatches.shuffled(groups, Seeds.derive(seed, Seeds.Purpose.MINIBATCHES, pass))
            : groups;
    return Minibatches.of(ordered, config.minibatches()).stream()
        .map(part -> part.stream().flatMap(List::stream).toList())
        .toList();
  }

  /**
   * A round that teaches nothing counts as an update skipped, unless there was nothing to teach.
   */
  private Learning none(
      GroupLessons<?> lessons, GroupRound round, long iteration, Ledger ledger, Learning before) {
    lessons.all().stream()
        .flatMap(lesson -> lesson.samples().stream())
        .forEach(sample -> ledger.dropped(sample, GroupLessons.CONSTANT));
    return solved(round)
        ? before
        : steps.without(
            before,
            GrpoRoles.POLICY,
            iteration,
            "no sample to learn from, dropped so far: " + ledger.account().dropped(),
            advice(round));
  }

  /** Whether every answer was found right: nothing is left to teach then, which is no fault. */
  private boolean solved(GroupRound round) {
    Map<String, Double> found = ScoreParts.of(round.scores(), rule);
    return found.getOrDefault("ruleSatisfied", 0.0) == 1 && found.get("unscoredFraction") == 0;
  }

  private String advice(GroupRound round) {
    if (round.constant() == 0) {
      return "Look at why samples were dropped";
    }
    String harder =
        "Give prompts whose answers differ more (easier ones where all fail, harder ones where none"
            + " does), raise answers-per-prompt, or have others asked"
            + " (groups.constant = refill)";
    return rule.isPresent()
        ? harder
        : harder
            + ". If the answers are as good as they can be: name in grpo.right the reward whose 1"
            + " says that an answer is right, and rounds in which all are right are no fault";
  }
}
