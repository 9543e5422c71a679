package dev.troupe.rlhf.recipe;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import dev.troupe.protocol.data.FinishReason;
import dev.troupe.protocol.data.Floats;
import dev.troupe.protocol.data.Prompt;
import dev.troupe.protocol.data.Rollout;
import dev.troupe.protocol.data.TokenIds;
import dev.troupe.rlhf.loss.Whitening;
import java.util.List;
import java.util.Optional;
import org.junit.jupiter.api.Test;

/** Two prompt tokens, three of response, of which the first two are trained. */
class LessonsTest {
  private static final Floats VALUES = new Floats(new float[] {0.5f, 0.25f, 0.75f});
  private static final Floats REWARDS = new Floats(new float[] {0, 0, 1});

  @Test
  void of_untrainedToken_countsInReturnsAndHasNoAdvantage() {
    Lesson lesson = lesson(Whitening.NONE);

    // With gamma and lambda 1 every return is 1, and an advantage is what the value misses of it.
    assertThat(lesson.experience().critic().orElseThrow().returns().values())
        .containsExactly(1, 1, 1);
    assertThat(lesson.experience().advantages().orElseThrow().values())
        .containsExactly(0.5f, 0.75f, 0);
  }

  @Test
  void of_whitening_seesTrainedTokensAlone() {
    float[] advantages = lesson(Whitening.CENTRED).experience().advantages().orElseThrow().values();

    // 0.5 and 0.75 are half a distance from their mean, 1/√2 of their unbiased deviation.
    assertThat(advantages[0]).isCloseTo((float) -Math.sqrt(0.5), within(1e-6f));
    assertThat(advantages[1]).isCloseTo((float) Math.sqrt(0.5), within(1e-6f));
    assertThat(advantages[2]).isZero();
  }

  @Test
  void forPolicyAndCritic_readTrainedTokensAlone() {
    Lesson lesson = lesson(Whitening.NONE);

    assertThat(lesson.forPolicy().sequence().tokens().values()).containsExactly(1, 2, 3, 4, 5);
    assertThat(lesson.forPolicy().sequence().reads().values()).containsExactly(1, 2);
    assertThat(lesson.forCritic().sequence().reads().values()).containsExactly(1, 2);
    assertThat(lesson.forCritic().oldValues().values()).containsExactly(0.5f, 0.25f);
    assertThat(lesson.forCritic().returns().values()).containsExactly(1, 1);
  }

  @Test
  void forPolicy_sampledInOtherNumbers_hasTrainingsLogprobsAndWeightedAdvantages() {
    // e^(-1.5 + 1) = 0.607 of the first; e^(-0.5 + 2) = 4.48 of the second is cut at 2.
    Lesson lesson = lesson(Whitening.NONE, Floats.of(-1.5f, -0.5f, -3));

    assertThat(lesson.forPolicy().oldLogprobs().values()).containsExactly(-1.5f, -0.5f);
    assertThat(lesson.forPolicy().advantages().get(0))
        .isCloseTo(0.5f * (float) Math.exp(-0.5), within(1e-7f));
    assertThat(lesson.forPolicy().advantages().get(1)).isEqualTo(0.75f * 2);
    assertThat(lesson.experience().advantages().orElseThrow().values())
        .containsExactly(0.5f, 0.75f, 0);
  }

  private static Lesson lesson(Whitening whitening) {
    return lesson(whitening, Floats.of(-1, -2, -3));
  }

  private static Lesson lesson(Whitening whitening, Floats trained) {
    Rollout rollout =
        new Rollout(
            new Prompt("p", "p", new TokenIds(new int[] {1, 2})),
            new TokenIds(new int[] {3, 4, 5}),
            "r",
            new Floats(new float[] {-1, -2, -3}),
            FinishReason.EOS,
            0);
    Scored scored =
        new Scored(
            "1/p",
            rollout,
            1,
            trained,
            new Floats(new float[] {-1, -2, -3}),
            VALUES,
            REWARDS,
            2,
            0);
    return Lessons.of(
            List.of(scored), new PpoConfig.Advantages(1, 1, whitening), Optional.of(2.0), false)
        .get(0);
  }
}
