package dev.troupe.rlhf.recipe;

import dev.troupe.protocol.data.FinishReason;
import dev.troupe.protocol.data.Floats;
import dev.troupe.protocol.data.Numerics;
import dev.troupe.protocol.data.Output;
import dev.troupe.protocol.data.Rollout;
import dev.troupe.protocol.data.TokenOutputs;
import dev.troupe.rlhf.loss.DeepSpeedChatRewards;
import dev.troupe.rlhf.loss.Kl;
import dev.troupe.rlhf.loss.TokenRewards;
import dev.troupe.rlhf.port.Role;
import dev.troupe.rlhf.port.Score;
import dev.troupe.rlhf.port.Scorer;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.OptionalDouble;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;
import java.util.function.Function;

/**
 * Scores a round of PPO's answers, and gives their tokens rewards.
 *
 * @param numerics that the policy samples and trains in
 */
record PpoScoring(
    PpoConfig.TokenRewards config,
    Numerics numerics,
    RolloutsConfig rollouts,
    PpoRoles roles,
    Scorer scorer) {
  /**
   * A round on its way.
   *
   * @param answered those that have a token
   * @param own what the policy that learns says of them, where it is not what it said as it sampled
   */
  record Begun(
      Underway answers,
      CompletionStage<List<Rollout>> answered,
      CompletionStage<List<Score>> scores,
      CompletionStage<List<TokenOutputs>> reference,
      CompletionStage<List<TokenOutputs>> critic,
      Optional<CompletionStage<List<TokenOutputs>>> own) {}

  /**
   * What a round came to.
   *
   * @param scored answers that can be learned from; the ledger has the others, and why
   * @param scores of all answers but the empty ones, with their parts
   */
  record Round(List<Scored> scored, List<Score> scores) {}

  /**
   * Has a round's answers scored as they come: by the scorer and the reference at once, by critic
   * and policy when it is the round's turn, since these learn until then.
   */
  Begun begin(Underway answers) {
    List<CompletionStage<List<Rollout>>> parts = new ArrayList<>();
    for (CompletionStage<List<List<Rollout>>> part : answers.parts(rollouts.overlap())) {
      parts.add(part.thenApply(PpoScoring::withTokens));
    }
    CompletionStage<List<Rollout>> answered = Underway.joined(parts);
    boolean asksOwn = numerics.scoresSamples() || rollouts.isStale();
    return new Begun(
        answers,
        answered,
        scorer.scoresEachAlone()
            ? each(parts, part -> part.thenCompose(this::scores))
            : answered.thenCompose(this::scores),
        each(parts, part -> part.thenCompose(it -> says(roles.reference(), it, Output.LOGPROBS))),
        each(parts, part -> answers.onTurn(part, it -> says(roles.critic(), it, Output.VALUES))),
        asksOwn
            ? Optional.of(
                each(
                    parts,
                    part -> answers.onTurn(part, it -> says(roles.policy(), it, Output.LOGPROBS))))
            : Optional.empty());
  }

  private static List<Rollout> withTokens(List<List<Rollout>> groups) {
    return groups.stream().flatMap(List::stream).filter(it -> it.length() > 0).toList();
  }

  private static <T> CompletionStage<List<T>> each(
      List<CompletionStage<List<Rollout>>> parts,
      Function<CompletionStage<List<Rollout>>, CompletionStage<List<T>>> begins) {
    return Underway.joined(parts.stream().map(begins).toList());
  }

  private CompletionStage<List<Score>> scores(List<Rollout> answered) {
    return answered.isEmpty()
        ? CompletableFuture.completedFuture(List.of())
        : scorer.score(answered);
  }

  private static CompletionStage<List<TokenOutputs>> says(
      Role role, List<Rollout> answered, Output output) {
    return answered.isEmpty()
        ? CompletableFuture.completedFuture(List.of())
        : role.evaluate(answered.stream().map(Rollout::sequence).toList(), Set.of(output));
  }

  /** Waits for what was begun, and gives the answers' tokens rewards. */
  Round score(Begun begun, double klCoefficient, long iteration, Ledger ledger) {
    for (List<Rollout> group : begun.answers().await()) {
      for (Rollout rollout : group) {
        String sample = sample(rollout, iteration);
        ledger.issued(sample);
        ledger.rolledOut(sample);
        if (rollout.length() == 0) {
          ledger.dropped(sample, "empty response");
        }
      }
    }
    List<Rollout> answered = Await.on(begun.answered());
    List<Score> scores = Await.on(begun.scores());
    List<TokenOutputs> ref = Await.on(begun.reference());
    List<TokenOutputs> critic = Await.on(begun.critic());
    Optional<List<TokenOutputs>> own = begun.own().map(Await::on);

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
      // An estimate of a divergence holds for the samples of the distribution that it is of.
      Floats diverging = rollouts.isStale() ? rollout.logprobs() : logprobs;
      DeepSpeedChatRewards.OfResponse rewards =
          rewards(diverging, rollout.finish(), reference, score, klCoefficient);
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
              Kl.K1.sum(diverging, reference)));
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
