package dev.troupe.rlhf.recipe;

import dev.troupe.protocol.data.FinishReason;
import dev.troupe.protocol.data.Output;
import dev.troupe.protocol.data.Prompt;
import dev.troupe.protocol.data.Rollout;
import dev.troupe.protocol.data.SamplingSettings;
import dev.troupe.protocol.data.Sequence;
import dev.troupe.rlhf.loss.DeepSpeedChatRewards;
import dev.troupe.rlhf.port.Role;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;
import java.util.stream.Stream;

/**
 * A policy measured on held-out prompts. The same prompts and seed give the same random numbers, so
 * two evaluations compare like with like.
 *
 * @param replies in the prompts' order
 * @param scores of the reward model, one per reply; empty without one
 * @param metrics score, responseLength, endedFraction, and of an oracle ruleSatisfied and
 *     wellFormed
 */
public record Evaluation(List<Reply> replies, List<Double> scores, Map<String, Double> metrics) {
  /** One prompt and its reply. */
  public record Reply(String prompt, String reply) {}

  public Evaluation {
    replies = List.copyOf(replies);
    scores = List.copyOf(scores);
    metrics = Collections.unmodifiableMap(new TreeMap<>(metrics));
  }

  /** Answers the prompts with the policy, and scores and judges the answers. */
  static Evaluation of(
      Role policy,
      Optional<Role> reward,
      PpoConfig.Placement placement,
      Optional<Oracle> oracle,
      List<Prompt> prompts,
      SamplingSettings settings) {
    List<Rollout> rollouts = Await.on(policy.generate(prompts, settings));
    List<Reply> replies =
        rollouts.stream().map(r -> new Reply(r.prompt().text(), r.text())).toList();
    Map<String, Double> metrics = new TreeMap<>();
    metrics.put("responseLength", mean(rollouts.stream().map(r -> (double) r.response().size())));
    metrics.put(
        "endedFraction", share(rollouts.stream().map(r -> r.finish() != FinishReason.LENGTH)));
    List<Double> scores = new ArrayList<>();
    if (reward.isPresent()) {
      scores.addAll(scores(reward.get(), placement, rollouts));
      metrics.put("score", mean(scores.stream()));
    }
    if (oracle.isPresent()) {
      Oracle judge = oracle.get();
      metrics.put(
          "ruleSatisfied",
          share(replies.stream().map(r -> judge.ruleSatisfied(r.prompt(), r.reply()))));
      metrics.put(
          "wellFormed", share(replies.stream().map(r -> judge.wellFormed(r.prompt(), r.reply()))));
    }
    return new Evaluation(replies, scores, metrics);
  }

  /** The reward model's score of each whole response, read where the placement has it. */
  static List<Double> scores(Role reward, PpoConfig.Placement placement, List<Rollout> rollouts) {
    List<Sequence> sequences =
        rollouts.stream()
            .map(
                rollout ->
                    switch (placement) {
                      case MODERN -> Sequence.ofLast(rollout.tokens());
                      case DEEPSPEED_CHAT -> DeepSpeedChatRewards.scored(rollout);
                    })
            .toList();
    return Await.on(reward.evaluate(sequences, Set.of(Output.VALUES))).stream()
        .map(output -> (double) output.values().get(0))
        .toList();
  }

  /** How often these replies score higher than those of {@code before}; a tie is half a win. */
  Proportion winRateOver(Evaluation before) {
    double wins = 0;
    for (int i = 0; i < scores.size(); i++) {
      int order = Double.compare(scores.get(i), before.scores.get(i));
      wins += order > 0 ? 1 : order == 0 ? 0.5 : 0;
    }
    return Proportion.of(wins, scores.size());
  }

  /** The same by the oracle's rule: a reply that satisfies it beats one that does not. */
  Proportion winRateOver(Evaluation before, Oracle oracle) {
    double wins = 0;
    for (int i = 0; i < replies.size(); i++) {
      Reply now = replies.get(i);
      Reply then = before.replies.get(i);
      wins +=
          0.5
              + (oracle.ruleSatisfied(now.prompt(), now.reply()) ? 0.5 : 0)
              - (oracle.ruleSatisfied(then.prompt(), then.reply()) ? 0.5 : 0);
    }
    return Proportion.of(wins, replies.size());
  }

  private static double mean(Stream<Double> values) {
    return values.mapToDouble(Double::doubleValue).average().orElse(0);
  }

  private static double share(Stream<Boolean> values) {
    return mean(values.map(hit -> hit ? 1.0 : 0.0));
  }
}
