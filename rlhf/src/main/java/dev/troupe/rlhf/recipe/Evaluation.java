package dev.troupe.rlhf.recipe;

import dev.troupe.protocol.data.FinishReason;
import dev.troupe.protocol.data.Output;
import dev.troupe.protocol.data.Prompt;
import dev.troupe.protocol.data.Rollout;
import dev.troupe.protocol.data.SamplingSettings;
import dev.troupe.protocol.data.Sequence;
import dev.troupe.protocol.data.TokenOutputs;
import dev.troupe.rlhf.loss.Kl;
import dev.troupe.rlhf.loss.Wins;
import dev.troupe.rlhf.port.Role;
import dev.troupe.rlhf.port.Sampler;
import dev.troupe.rlhf.port.Score;
import dev.troupe.rlhf.port.Scorer;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;
import java.util.concurrent.CompletionStage;
import java.util.stream.IntStream;

/**
 * A policy measured on held-out prompts. The same prompts and seed give the same random numbers, so
 * two evaluations compare like with like.
 *
 * @param replies in the prompts' order
 * @param scores one per reply, NaN for one without; empty without a scorer
 * @param metrics responseLength, endedFraction; score, unscoredFraction and what a score is made of
 *     where there is a scorer, kl where there is a reference, of an oracle ruleSatisfied and
 *     wellFormed. What was not measured is absent
 */
public record Evaluation(List<Reply> replies, List<Double> scores, Map<String, Double> metrics) {
  /** One prompt and its reply. */
  public record Reply(String prompt, String reply) {}

  public Evaluation {
    replies = List.copyOf(replies);
    scores = List.copyOf(scores);
    metrics = Collections.unmodifiableMap(new TreeMap<>(metrics));
  }

  /**
   * Who looks at the replies.
   *
   * @param scorer absent for no scores
   * @param rule name of the part of a score that says whether an answer is right
   * @param reference absent for no KL
   * @param oracle measures and is never trained on; ruleSatisfied is its word where there is no
   *     rule
   */
  record Judges(
      Optional<Scorer> scorer,
      Optional<String> rule,
      Optional<Role> reference,
      Optional<Oracle> oracle,
      Guard guard) {
    static Judges of(Optional<Oracle> oracle) {
      return new Judges(Optional.empty(), Optional.empty(), Optional.empty(), oracle, Guard.OFF);
    }
  }

  /** Answers the prompts with the policy, and has nobody judge the answers. */
  public static Evaluation of(Role policy, List<Prompt> prompts, SamplingSettings settings) {
    return of(policy, policy, Judges.of(Optional.empty()), prompts, settings);
  }

  /**
   * Answers the prompts with the policy, and has the answers judged.
   *
   * @param sampler the policy, or what plays episodes with it
   */
  static Evaluation of(
      Role policy,
      Sampler sampler,
      Judges judges,
      List<Prompt> prompts,
      SamplingSettings settings) {
    Averages averages = new Averages();
    List<Rollout> rollouts = answers(sampler, prompts, settings, averages);
    List<Reply> replies = replies(rollouts);
    List<Score> found = judges.scorer().map(it -> Await.on(it.score(rollouts))).orElse(List.of());
    List<Double> scores = new ArrayList<>();
    for (Score score : found) {
      // One without a number cannot be compared with another.
      scores.add(score instanceof Score.Value value ? value.value() : Double.NaN);
    }
    judges
        .reference()
        .ifPresent(role -> kl(policy, role, rollouts).forEach(kl -> averages.add("kl", kl)));
    if (judges.oracle().isPresent()) {
      Oracle judge = judges.oracle().get();
      for (Reply reply : replies) {
        boolean satisfied = judge.ruleSatisfied(reply.prompt(), reply.reply());
        boolean formed = judge.wellFormed(reply.prompt(), reply.reply());
        averages.add("ruleSatisfied", satisfied ? 1 : 0);
        averages.add("wellFormed", formed ? 1 : 0);
      }
    }
    Map<String, Double> metrics = averages.means();
    metrics.putAll(ScoreParts.of(found, judges.rule()));
    metrics.putAll(judges.guard().measures(rollouts, scores));
    return new Evaluation(replies, scores, metrics);
  }

  private static List<Rollout> answers(
      Sampler policy, List<Prompt> prompts, SamplingSettings settings, Averages averages) {
    List<Rollout> rollouts = Await.on(policy.generate(prompts, settings));
    for (Rollout rollout : rollouts) {
      if (!rollout.failed()) {
        averages.add("responseLength", rollout.length());
        averages.add("endedFraction", rollout.finish() != FinishReason.LENGTH ? 1 : 0);
        EpisodeFigures.add(averages, rollout);
      }
    }
    return rollouts;
  }

  private static List<Reply> replies(List<Rollout> rollouts) {
    return rollouts.stream().map(r -> new Reply(r.prompt().text(), r.transcript())).toList();
  }

  /** Of each reply that has a token, in nats. */
  private static List<Double> kl(Role policy, Role reference, List<Rollout> rollouts) {
    List<Sequence> responses =
        rollouts.stream()
            .filter(r -> r.length() > 0 && !r.failed())
            .map(Rollout::sequence)
            .toList();
    if (responses.isEmpty()) {
      return List.of();
    }
    CompletionStage<List<TokenOutputs>> theirs =
        reference.evaluate(responses, Set.of(Output.LOGPROBS));
    List<TokenOutputs> own = Await.on(policy.evaluate(responses, Set.of(Output.LOGPROBS)));
    List<TokenOutputs> other = Await.on(theirs);
    return IntStream.range(0, responses.size())
        .mapToObj(i -> Kl.K1.sum(own.get(i).logprobs(), other.get(i).logprobs()))
        .toList();
  }

  /**
   * How often these replies score higher than those of {@code before}; a tie is half a win. Empty
   * when no two scores could be compared.
   */
  Optional<Proportion> winRateOver(Evaluation before) {
    return Proportion.ofWins(
        IntStream.range(0, scores.size())
            .mapToObj(i -> Wins.of(scores.get(i), before.scores.get(i)))
            .toList());
  }

  /** The same by the oracle's rule: a reply that satisfies it beats one that does not. */
  Optional<Proportion> winRateOver(Evaluation before, Oracle oracle) {
    return Proportion.ofWins(
        IntStream.range(0, replies.size())
            .mapToObj(
                i ->
                    Wins.of(
                        satisfied(replies.get(i), oracle),
                        satisfied(before.replies.get(i), oracle)))
            .toList());
  }

  private static double satisfied(Reply reply, Oracle oracle) {
    return oracle.ruleSatisfied(reply.prompt(), reply.reply()) ? 1 : 0;
  }

  /** As metrics of a step: {@code score} is {@code heldOutScore} there. */
  Map<String, Double> heldOutMetrics() {
    Map<String, Double> named = new TreeMap<>();
    metrics.forEach((name, value) -> named.put(heldOut(name), value));
    return named;
  }

  /** What a metric is called where it is of held-out data. */
  static String heldOut(String metric) {
    return named(metric, "heldOut");
  }

  /** {@code score} as {@code heldOutScore}. */
  static String named(String metric, String prefix) {
    return prefix + Character.toUpperCase(metric.charAt(0)) + metric.substring(1);
  }
}
