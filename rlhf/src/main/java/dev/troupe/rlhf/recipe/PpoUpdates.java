package dev.troupe.rlhf.recipe;

import dev.troupe.protocol.data.UpdateResult;
import dev.troupe.rlhf.data.Batches;
import dev.troupe.rlhf.loss.Averaging;
import dev.troupe.rlhf.loss.PolicyObjective;
import dev.troupe.rlhf.loss.PpoValueObjective;
import dev.troupe.rlhf.loss.SftExample;
import dev.troupe.rlhf.loss.SftObjective;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalDouble;
import java.util.Set;
import java.util.concurrent.CompletionStage;

/**
 * The updates of policy and critic that a round of PPO comes to: epochs of minibatches, side by
 * side.
 *
 * @param pretraining texts whose loss is mixed in; empty for none
 */
record PpoUpdates(
    PpoConfig config, PpoRoles roles, Steps steps, List<SftExample> pretraining, long seed) {
  private static final String PTX = "policy on the pre-training texts";

  /** Does them, and says how all learners stand after the round. */
  Learning of(
      List<Lesson> lessons, long iteration, Averages averages, Ledger ledger, Learning before) {
    boolean policyLearns = iteration > config.critic().warmupIterations();
    return lessons.isEmpty()
        ? none(before, iteration, policyLearns, ledger)
        : all(lessons, iteration, policyLearns, averages, ledger, before);
  }

  private Learning all(
      List<Lesson> lessons,
      long iteration,
      boolean policyLearns,
      Averages averages,
      Ledger ledger,
      Learning before) {
    PolicyObjective policyLoss =
        new PolicyObjective(
            config.policy().clipEpsilon(),
            optional(config.policy().dualClip()),
            config.policy().entropyCoefficient(),
            config.averaging(),
            PolicyObjective.LOG_RATIO_LIMIT);
    PpoValueObjective valueLoss =
        new PpoValueObjective(config.critic().clipEpsilon(), config.averaging());
    Learning learning = before;
    Set<String> learned = new HashSet<>();
    for (int epoch = 0; epoch < config.ppoEpochs(); epoch++) {
      long pass = (iteration - 1) * config.ppoEpochs() + epoch;
      List<List<Lesson>> minibatches = minibatches(lessons, pass);
      for (int i = 0; i < minibatches.size(); i++) {
        List<Lesson> minibatch = minibatches.get(i);
        CompletionStage<UpdateResult> critic =
            roles.critic().update(valueLoss, minibatch.stream().map(Lesson::forCritic).toList());
        Map<String, UpdateResult> policy = new LinkedHashMap<>();
        if (policyLearns) {
          policy.put(
              PpoRoles.POLICY,
              Await.on(
                  roles
                      .policy()
                      .update(policyLoss, minibatch.stream().map(Lesson::forPolicy).toList())));
          if (config.policy().ptxCoefficient() > 0) {
            policy.put(PTX, Await.on(ptx(minibatch.size(), pass * config.minibatches() + i)));
          }
        }
        for (Map.Entry<String, UpdateResult> entry : policy.entrySet()) {
          UpdateResult update = entry.getValue();
          averages.addAll(update);
          averages.add("gradientNorm", update.gradientNorm());
          averages.add("learningRate", update.learningRate());
          learning = steps.learned(learning, entry.getKey(), iteration, update);
        }
        UpdateResult criticUpdate = Await.on(critic);
        averages.addAll(criticUpdate);
        averages.add("valueGradientNorm", criticUpdate.gradientNorm());
        learning = steps.learned(learning, PpoRoles.CRITIC, iteration, criticUpdate);
        UpdateResult own = policy.getOrDefault(PpoRoles.POLICY, criticUpdate);
        if (own.applied()) {
          minibatch.forEach(lesson -> learned.add(lesson.sample()));
        }
      }
    }
    for (Lesson lesson : lessons) {
      if (learned.contains(lesson.sample())) {
        ledger.trained(lesson.sample());
      } else {
        ledger.dropped(lesson.sample(), Samples.UPDATE_SKIPPED);
      }
    }
    return learning;
  }

  private List<List<Lesson>> minibatches(List<Lesson> lessons, long pass) {
    return Minibatches.of(
        Minibatches.shuffled(lessons, Seeds.derive(seed, Seeds.Purpose.MINIBATCHES, pass)),
        config.minibatches());
  }

  /** One step on the pre-training loss (Ouyang et al. 2022, equation 2, its last term). */
  private CompletionStage<UpdateResult> ptx(int size, long step) {
    long order = Seeds.derive(seed, Seeds.Purpose.PRETRAINING, 0);
    List<SftExample> texts =
        new Batches<>(pretraining, size, Batches.Last.FILLED, order).batch(step);
    return roles
        .policy()
        .update(new SftObjective(Averaging.GLOBAL_TOKEN, config.policy().ptxCoefficient()), texts);
  }

  /** A round that left no sample to learn from counts as an update skipped. */
  private Learning none(Learning before, long iteration, boolean policyLearns, Ledger ledger) {
    String why = "no sample to learn from, dropped so far: " + ledger.account().dropped();
    String advice = "Look at why samples were dropped";
    Learning learning = steps.without(before, PpoRoles.CRITIC, iteration, why, advice);
    return policyLearns
        ? steps.without(learning, PpoRoles.POLICY, iteration, why, advice)
        : learning;
  }

  private static OptionalDouble optional(Optional<Double> value) {
    return value.isPresent() ? OptionalDouble.of(value.get()) : OptionalDouble.empty();
  }
}
