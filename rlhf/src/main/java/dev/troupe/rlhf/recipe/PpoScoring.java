package dev.troupe.rlhf.recipe;

import dev.troupe.protocol.data.FinishReason;
import dev.troupe.protocol.data.Floats;
import dev.troupe.protocol.data.Numerics;
import dev.troupe.protocol.data.Output;
import dev.troupe.protocol.data.Rollout;
import dev.troupe.protocol.data.Sequence;
import dev.troupe.protocol.data.TokenOutputs;
import dev.troupe.rlhf.loss.DeepSpeedChatRewards;
import dev.troupe.rlhf.loss.Kl;
import dev.troupe.rlhf.loss.TokenRewards;
import dev.troupe.rlhf.port.Score;
import dev.troupe.rlhf.port.Scorer;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.OptionalDouble;
import java.util.Set;
import java.util.concurrent.CompletionStage;

/**
 * Scores a round of PPO's answers, and gives their tokens rewards.
 *
 * @param numerics that the policy samples and trains in
 */
record PpoScoring(PpoConfig.TokenRewards config, Numerics numerics, PpoRoles roles, Scorer scorer) {
  /**
   * What a round came to.
   *
   * @param scored answers that can be learned from; the ledger has the others, and why
   * @param scores of all answers but the empty ones, with their parts
   */
  record Round(List<Scored> scored, List<Score> scores) {}

  /** Scores a round. */
  Round score(List<Rollout> rollouts, double klCoefficient, long iteration, Ledger ledger) {
    List<Rollout> answered = new ArrayList<>();
    for (Rollout rollout : rollouts) {
      String sample = sample(rollout, iteration);
      ledger.issued(sample);
      ledger.rolledOut(sample);
      if (rollout.length() == 0) {
        ledger.dropped(sample, "empty response");
      } else {
        answered.add(rollout);
      }
    }
    List<Sequence> responses = answered.stream().map(Rollout::sequence).toList();
    CompletionStage<List<TokenOutputs>> refLogprobs =
        roles.reference().evaluate(responses, Set.of(Output.LOGPROBS));
    Optional<CompletionStage<List<TokenOutputs>>> ownLogprobs =
        numerics.scoresSamples()
            ? Optional.of(roles.policy().evaluate(responses, Set.of(Output.LOGPROBS)))
            : Optional.empty();
    CompletionStage<List<TokenOutputs>> values =
        roles.critic().evaluate(responses, Set.of(Output.VALUES));
    List<Score> scores = Await.on(scorer.score(answered));
    List<TokenOutputs> ref = Await.on(refLogprobs);
    List<TokenOutputs> critic = Await.on(values);
    Optional<List<TokenOutputs>> own = ownLogprobs.map(Await::on);

    int fewestTrained =
        switch (config.placement()) {
          case MODERN -> 1;
          case DEEPSPEED_CHAT -> DeepSpeedChatRewards.FEWEST_TRAINED_ACTIONS;
        };
    List<Scored> scored = new ArrayList<>();
    for (int i = 0; i < answered.size(); i++) {
      Rollout rollout = answered.get(i);
      String sample = sample(rollout, iteration);
      if (scores.get(i) instanceof Score.Unscored none) {
        ledger.dropped(sample, "no score: " + none.reason());
        continue;
      }
      double score = ((Score.Value) scores.get(i)).value();
      ledger.scored(sample);
      Floats reference = ref.get(i).logprobs();
      int at = i;
      Floats logprobs = own.map(all -> all.get(at).logprobs()).orElse(rollout.logprobs());
      DeepSpeedChatRewards.OfResponse rewards =
          rewards(logprobs, rollout.finish(), reference, score, klCoefficient);
      if (rewards.trainedActions() < fewestTrained) {
        ledger.dropped(sample, "too few trained tokens");
        continue;
      }
      scored.add(
          new Scored(
              sample,
              rollout,
              score,
              logprobs,
              reference,
              critic.get(i).values(),
              rewards.rewards(),
              rewards.trainedActions(),
              Kl.K1.sum(logprobs, reference)));
    }
    return new Round(scored, scores);
  }

  private DeepSpeedChatRewards.OfResponse rewards(
      Floats logprobs,
      FinishReason finish,
      Floats refLogprobs,
      double score,
      double klCoefficient) {
    double penalty = config.missingEosPenalty().orElse(0.0);
    return switch (config.placement()) {
      case MODERN -> {
        double shaped = TokenRewards.score(score, optional(config.scoreClip()), penalty, finish);
        Floats perToken = TokenRewards.of(logprobs, refLogprobs, shaped, klCoefficient);
        yield new DeepSpeedChatRewards.OfResponse(perToken, perToken.size());
      }
      case DEEPSPEED_CHAT ->
          DeepSpeedChatRewards.ofResponse(
              logprobs,
              refLogprobs,
              finish,
              TokenRewards.score(score, OptionalDouble.empty(), penalty, finish),
              klCoefficient,
              config.scoreClip().orElse(5.0));
    };
  }

  private static String sample(Rollout rollout, long iteration) {
    return iteration + "/" + rollout.prompt().id();
  }

  private static OptionalDouble optional(Optional<Double> value) {
    return value.isPresent() ? OptionalDouble.of(value.get()) : OptionalDouble.empty();
  }
}
