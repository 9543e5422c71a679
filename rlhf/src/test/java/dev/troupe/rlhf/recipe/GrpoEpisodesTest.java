package dev.troupe.rlhf.recipe;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import dev.troupe.protocol.data.BatchTotals;
import dev.troupe.protocol.data.Episode;
import dev.troupe.protocol.data.FinishReason;
import dev.troupe.protocol.data.Floats;
import dev.troupe.protocol.data.LossGradient;
import dev.troupe.protocol.data.Prompt;
import dev.troupe.protocol.data.Rollout;
import dev.troupe.protocol.data.SamplingSettings;
import dev.troupe.protocol.data.TokenIds;
import dev.troupe.protocol.data.TokenOutputs;
import dev.troupe.rlhf.loss.PolicyExample;
import dev.troupe.rlhf.loss.PolicyObjective;
import dev.troupe.rlhf.port.Role;
import dev.troupe.rlhf.port.Sampler;
import dev.troupe.rlhf.reward.GuardConfig;
import java.lang.reflect.Proxy;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalDouble;
import java.util.concurrent.CompletableFuture;
import org.junit.jupiter.api.Test;

/** An observation's tokens count nowhere. */
class GrpoEpisodesTest {
  private static final Prompt PROMPT = new Prompt("p", "?", TokenIds.of(1, 2));

  private static Rollout episode(
      TokenIds response, TokenIds sampled, Floats logprobs, double reward) {
    return new Rollout(
        PROMPT,
        response,
        "",
        logprobs,
        FinishReason.EOS,
        1,
        Optional.of(
            new Episode(
                sampled,
                2,
                1,
                0,
                "",
                OptionalDouble.of(reward),
                Map.of(),
                Episode.End.DONE,
                Optional.empty())));
  }

  private static GroupAnswer answer(String sample, Rollout rollout, double score) {
    return new GroupAnswer(
        sample,
        rollout,
        Optional.of(score),
        score,
        rollout.logprobs(),
        Optional.empty(),
        Optional.empty(),
        false,
        false);
  }

  /**
   * Two episodes of one prompt, 3 and 2 sampled tokens among 5 and 6; rewards 1 and 0. Their mean
   * is 0.5 and their sample deviation √½, so that advantages are ±0.5 / (√½ + 1e-4). The first
   * token's ratio is e^0.1, within the clip; the loss is minus the mean over the 5 sampled tokens.
   */
  @Test
  void loss_ofEpisodes_isTheHandsOverSampledTokensAlone() {
    GroupAnswer good =
        answer(
            "a",
            episode(TokenIds.of(3, 0, 9, 9, 4), TokenIds.of(0, 1, 4), Floats.of(-1.1f, -2, -3), 1),
            1);
    GroupAnswer bad =
        answer(
            "b",
            episode(TokenIds.of(5, 9, 9, 9, 9, 0), TokenIds.of(0, 5), Floats.of(-0.5f, -0.25f), 0),
            0);
    GroupLessons<?> lessons =
        GroupLessons.of(
            new GrpoChoices().config(), List.of(List.of(good, bad)), new Ledger(Account.EMPTY));
    List<PolicyExample> examples =
        lessons.all().stream().map(lesson -> (PolicyExample) lesson.example()).toList();

    assertThat(examples.get(0).sequence().reads()).isEqualTo(TokenIds.of(1, 2, 5));
    assertThat(examples.get(1).sequence().reads()).isEqualTo(TokenIds.of(1, 6));
    LossGradient found =
        ((PolicyObjective) lessons.objective())
            .evaluate(
                examples,
                List.of(
                    List.of(new TokenOutputs(Floats.of(-1, -2, -3), Floats.EMPTY, Floats.EMPTY)),
                    List.of(
                        new TokenOutputs(Floats.of(-0.5f, -0.25f), Floats.EMPTY, Floats.EMPTY))),
                BatchTotals.of(examples));

    double advantage = 0.5 / (Math.sqrt(0.5) + 1e-4);
    double ratio = Math.exp(0.1);
    assertThat(found.loss())
        .isCloseTo(-(advantage * (ratio + 1 + 1) - advantage * 2) / 5, within(1e-6));
    // A gradient per sampled token and no other.
    assertThat(found.gradients().get(0).get(0).logprobs().size()).isEqualTo(3);
    assertThat(found.gradients().get(0).get(0).logprobs().get(0))
        .isCloseTo((float) (-advantage * ratio / 5), within(1e-6f));
    assertThat(found.gradients().get(1).get(0).logprobs().get(1))
        .isCloseTo((float) (advantage / 5), within(1e-6f));
  }

  /** The same answers with observations of any length teach the same. */
  @Test
  void lessons_longerObservations_areTheSame() {
    Floats logprobs = Floats.of(-1, -2);
    GroupAnswer plain =
        answer("a", new Rollout(PROMPT, TokenIds.of(3, 0), "", logprobs, FinishReason.EOS, 1), 1);
    GroupAnswer observed =
        answer("a", episode(TokenIds.of(3, 9, 9, 9, 0), TokenIds.of(0, 4), logprobs, 1), 1);
    GroupAnswer other =
        answer("b", new Rollout(PROMPT, TokenIds.of(4, 0), "", logprobs, FinishReason.EOS, 1), 0);
    for (Learn.Mean mean : Learn.Mean.values()) {
      GrpoChoices choices = new GrpoChoices();
      Learn.PolicyGradient gradient = (Learn.PolicyGradient) choices.learn;
      choices.learn = GrpoChoices.gradient(gradient.ratio(), gradient.surrogate(), mean);
      PolicyExample one = first(choices, List.of(plain, other));
      PolicyExample two = first(choices, List.of(observed, other));

      assertThat(two.advantages()).isEqualTo(one.advantages());
      assertThat(two.oldLogprobs()).isEqualTo(one.oldLogprobs());
      assertThat(two.length()).isEqualTo(one.length());
    }
    assertThat(observed.tokens()).isEqualTo(plain.tokens());
  }

  /** One that failed before its first turn would count as an answer of no tokens that ended. */
  @Test
  void evaluation_ofFailedEpisodes_leavesThemOut() {
    Rollout sound = episode(TokenIds.of(3, 9, 9, 9, 0), TokenIds.of(0, 4), Floats.of(-1, -2), 1);
    Rollout failed =
        new Rollout(
            PROMPT,
            TokenIds.EMPTY,
            "",
            Floats.EMPTY,
            FinishReason.STOP,
            1,
            Optional.of(
                new Episode(
                    TokenIds.EMPTY,
                    0,
                    0,
                    0,
                    "",
                    OptionalDouble.empty(),
                    Map.of(),
                    Episode.End.FAILED,
                    Optional.of(new Episode.Failure("gone", "")))));

    Map<String, Double> mixed = evaluation(List.of(sound, failed), false).metrics();
    assertThat(mixed)
        .containsEntry("responseLength", 2.0)
        .containsEntry("endedFraction", 1.0)
        .containsEntry("turns", 2.0)
        .containsEntry("observationTokens", 3.0);
    // What was not measured is absent, and no weights are asked for a KL.
    Evaluation none = evaluation(List.of(failed, failed), true);
    assertThat(none.metrics()).isEmpty();
    GuardConfig warn = GuardConfig.of(GuardConfig.Act.WARN);
    assertThat(
            new Guard(warn, Optional.empty(), notice -> {}).look(List.of(), 1, none, none).alarms())
        .isEmpty();
  }

  private static Evaluation evaluation(List<Rollout> rollouts, boolean kl) {
    Role untouched =
        (Role)
            Proxy.newProxyInstance(
                Role.class.getClassLoader(),
                new Class<?>[] {Role.class},
                (proxy, method, arguments) -> {
                  throw new AssertionError(method);
                });
    Sampler sampler =
        (prompts, answers, settings) ->
            CompletableFuture.completedFuture(rollouts.stream().map(List::of).toList());
    return Evaluation.of(
        untouched,
        sampler,
        new Evaluation.Judges(
            Optional.empty(),
            Optional.empty(),
            kl ? Optional.of(untouched) : Optional.empty(),
            Optional.empty(),
            Guard.OFF),
        List.of(PROMPT, PROMPT),
        new SamplingSettings(40, 1, 0, 1, List.of(), 7));
  }

  private static PolicyExample first(GrpoChoices choices, List<GroupAnswer> group) {
    return (PolicyExample)
        GroupLessons.of(choices.config(), List.of(group), new Ledger(Account.EMPTY))
            .all()
            .get(0)
            .example();
  }
}
