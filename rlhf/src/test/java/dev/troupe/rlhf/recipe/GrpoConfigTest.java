package dev.troupe.rlhf.recipe;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.troupe.rlhf.environment.EnvironmentConfig;
import dev.troupe.rlhf.loss.DpoLoss;
import dev.troupe.rlhf.loss.GroupAdvantages.Baseline;
import dev.troupe.rlhf.loss.GroupAdvantages.Scale;
import dev.troupe.rlhf.loss.Kl;
import dev.troupe.rlhf.loss.KlTerm;
import dev.troupe.rlhf.loss.Ratio;
import dev.troupe.rlhf.loss.Whitening;
import dev.troupe.rlhf.reward.NumberAnswer;
import dev.troupe.rlhf.reward.RewardConfig;
import dev.troupe.rlhf.stage.GrpoStage;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.function.Consumer;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.MethodSource;

/** What of GRPO does not go together, and what the user is told. */
class GrpoConfigTest {
  @Test
  void aGroupOfOne_whereAnswersAreCompared_isRefused() {
    refused(
        choices -> choices.answers = 1,
        "answers-per-prompt is 1, allowed: at least 2: an answer is compared with the others to its"
            + " prompt");
    refused(
        choices -> {
          choices.answers = 1;
          choices.learn = new Learn.Preferences(DpoLoss.Variant.SIGMOID, 0.1, 0);
        },
        "answers-per-prompt is 1, allowed: at least 2: an answer is compared with the others to its"
            + " prompt");
    GrpoChoices alone = new GrpoChoices();
    alone.answers = 1;
    alone.advantages = GrpoChoices.advantages(Baseline.NONE, Scale.BATCH);
    assertThat(alone.config().answersPerPrompt()).isEqualTo(1);
  }

  @Test
  void sessionsOfAServer_thatAreFewerThanEpisodesUnderWay_areRefused() {
    refused(
        choices -> choices.environment = Optional.of(openEnv(63)),
        "environment.sessions is 63, allowed: at least episodes.concurrent (64): episodes that"
            + " begin together wait for each other's first observation, each in a session; lower"
            + " episodes.concurrent, or raise sessions and the server's max_concurrent_envs");
    GrpoChoices enough = new GrpoChoices();
    enough.environment = Optional.of(openEnv(64));
    assertThat(enough.config().environment()).isPresent();
  }

  private static EnvironmentConfig openEnv(int sessions) {
    return new EnvironmentConfig.OpenEnv(
        "http://127.0.0.1:8000",
        EnvironmentConfig.OpenEnv.Use.ACTIONS,
        "message",
        Optional.empty(),
        List.of(),
        sessions,
        10,
        60,
        3,
        60,
        16,
        Optional.empty());
  }

  @Test
  void toolsFile_belongsToWhatTheRunIs() {
    GrpoChoices choices = new GrpoChoices();
    choices.environment =
        Optional.of(
            new EnvironmentConfig.NemoGym(
                "http://127.0.0.1:8103",
                Optional.of("data/tools.json"),
                10,
                60,
                3,
                16,
                Optional.empty()));
    assertThat(new GrpoStage().files(choices.config()))
        .isEqualTo(Map.of("grpo.environment.tools", "data/tools.json"));
  }

  @ParameterizedTest
  @CsvSource({"3", "5", "16", "0"})
  void minibatches_thatCutGroups_areRefused(int minibatches) {
    refused(
        choices -> choices.minibatches = minibatches,
        "minibatches is "
            + minibatches
            + ", allowed: a divisor of prompts-per-iteration (8): groups stay whole");
  }

  @Test
  void answersOfEarlierRounds_areWeightedTokenByToken() {
    refused(
        choices -> {
          choices.reuse = 1;
          choices.importanceCap = Optional.empty();
        },
        "policy.importance-cap is null, allowed: a number with reuse above 0: an older policy"
            + " sampled");
    String wanted =
        "reuse is 2, allowed: 0, unless learn.type is policy-gradient with learn.ratio = token: what"
            + " an older policy sampled is weighted token by token";
    refused(
        choices -> {
          choices.reuse = 2;
          choices.learn = new Learn.BestOfN(Optional.empty());
        },
        wanted);
    refused(
        choices -> {
          choices.reuse = 2;
          choices.learn =
              GrpoChoices.gradient(
                  Ratio.SEQUENCE,
                  new SurrogateConfig.Clip(0.2, 0.2, Optional.empty()),
                  Learn.Mean.ANSWER);
        },
        wanted);
    refused(choices -> choices.reuse = -1, "reuse is -1, allowed: at least 0");
  }

  @Test
  void greedyAnswers_areRefused() {
    refused(
        choices -> choices.temperature = 0,
        "generation.temperature is 0.0, allowed: above 0: answers to one prompt must differ");
  }

  @Test
  void k1_inTheLoss_isRefused_byItsOwnGradient() {
    assertThatThrownBy(
            () ->
                new ReferenceConfig(
                    0.1, ReferenceConfig.Placement.LOSS, Kl.K1, KlTerm.Gradient.ESTIMATE))
        .hasMessage(
            "estimator is k1, allowed: k2 or k3 in the loss: k1's own gradient is 0 in expectation"
                + " and holds the policy to nothing; or gradient = divergence, or placement ="
                + " reward");
    assertThat(
            new ReferenceConfig(
                    0.1, ReferenceConfig.Placement.LOSS, Kl.K1, KlTerm.Gradient.DIVERGENCE)
                .term()
                .coefficient())
        .isEqualTo(0.1);
  }

  @Test
  void theCorrectedKl_wantsTheRatioOfTokens_andAnEstimatorThatItCorrects() {
    assertThatThrownBy(
            () ->
                new ReferenceConfig(
                    0.1, ReferenceConfig.Placement.LOSS, Kl.K2, KlTerm.Gradient.CORRECTED))
        .hasMessage(
            "estimator is k2, allowed: k1 or k3 with gradient = corrected: k2 times the ratio has"
                + " not the gradient of the divergence");
    refused(
        choices -> {
          choices.kl =
              new ReferenceConfig(
                  0.1, ReferenceConfig.Placement.LOSS, Kl.K3, KlTerm.Gradient.CORRECTED);
          choices.learn =
              GrpoChoices.gradient(
                  Ratio.SEQUENCE_MEAN,
                  new SurrogateConfig.Clip(0.1, 0.1, Optional.empty()),
                  Learn.Mean.ANSWER);
        },
        "kl.gradient is corrected, allowed: estimate or divergence, unless learn.ratio is token: it"
            + " is corrected by each token's ratio");
  }

  @Test
  void aRatioOfWholeAnswers_wantsTheirMean() {
    assertThatThrownBy(
            () ->
                GrpoChoices.gradient(
                    Ratio.SEQUENCE_MEAN,
                    new SurrogateConfig.Clip(0.1, 0.1, Optional.empty()),
                    Learn.Mean.TOKEN))
        .hasMessage(
            "averaging is token, allowed: answer, where the ratio is one of a whole answer");
  }

  @Test
  void whatABaselineOfNothing_cannotBeScaledBy() {
    assertThatThrownBy(() -> GrpoChoices.advantages(Baseline.NONE, Scale.GROUP))
        .hasMessage("scale is group, allowed: none or batch with baseline = none");
  }

  @Test
  void aDiscount_wantsCreditByToken() {
    assertThatThrownBy(
            () ->
                new GroupAdvantagesConfig(
                    Baseline.MEAN,
                    Scale.NONE,
                    0,
                    GroupAdvantagesConfig.Credit.ANSWER,
                    0.9,
                    Whitening.NONE))
        .hasMessage("gamma is 0.9, allowed: 1 with credit = answer");
  }

  @Test
  void theGroupsMean_cannotDivide_wherePenaltiesTakeScoresBelowZero() {
    refused(
        choices -> {
          choices.advantages = GrpoChoices.advantages(Baseline.MEAN, Scale.GROUP_MEAN);
          choices.kl = GrpoChoices.kl(0.1, ReferenceConfig.Placement.REWARD);
        },
        "advantages.scale is group-mean, allowed: group, batch or none, where a penalty or a reward"
            + " may take scores below 0");
  }

  static Stream<RewardConfig> rewardsBelowZero() {
    return Stream.of(
        new RewardConfig.Number(-1, NumberAnswer.Place.LAST),
        new RewardConfig.Model(1, RewardConfig.Model.Placement.MODERN),
        new RewardConfig.Repetition(1, 3),
        new RewardConfig.Overlong(0.5, 6, 2));
  }

  @ParameterizedTest
  @MethodSource("rewardsBelowZero")
  void theGroupsMean_cannotDivide_whereARewardMayBeBelowZero(RewardConfig reward) {
    refused(
        choices -> {
          choices.advantages = GrpoChoices.advantages(Baseline.MEAN, Scale.GROUP_MEAN);
          choices.rewards =
              Map.of("below", reward, "right", new RewardConfig.Number(1, NumberAnswer.Place.LAST));
        },
        "advantages.scale is group-mean, allowed: group, batch or none, where a penalty or a reward"
            + " may take scores below 0");
  }

  @Test
  void theGroupsMean_divides_whereAllRewardsAreFromZero() {
    GrpoChoices choices = new GrpoChoices();
    choices.advantages = GrpoChoices.advantages(Baseline.MEAN, Scale.GROUP_MEAN);
    choices.rewards =
        Map.of(
            "right", new RewardConfig.Number(1, NumberAnswer.Place.LAST),
            "twice", new RewardConfig.Repetition(-1, 3));
    // A weight below 0 on what is never above 0 gives nothing below 0.
    assertThat(choices.config().rule()).contains("right");
  }

  @Test
  void rightIsTheOnlyOneThatCompares_orTheOneNamed() {
    GrpoChoices choices = new GrpoChoices();
    assertThat(choices.config().rule()).isEmpty();
    choices.right = Optional.of("three");
    assertThat(choices.config().rule()).contains("three");
    RewardConfig number = new RewardConfig.Number(1, NumberAnswer.Place.LAST);
    choices.rewards = Map.of("one", number, "two", number);
    choices.right = Optional.empty();
    assertThat(choices.config().rule()).isEmpty();
    choices.right = Optional.of("two");
    assertThat(choices.config().rule()).contains("two");
    refused(
        it -> it.right = Optional.of("four"),
        "right is four, allowed: null or one of the rewards: three");
    refused(
        it -> {
          it.right = Optional.of("three");
          distilling(it);
        },
        "right is three, allowed: null without rewards");
  }

  @Test
  void aMeasureThatNothingGives_cannotChooseTheBest() {
    refused(
        it -> {
          it.evaluateEvery = 1;
          it.best = new BestConfig(Optional.of(HeldOutMeasure.RULE_SATISFIED), 0, 0);
        },
        "best.metric is rule-satisfied, allowed: null, score");
    refused(
        it -> {
          distilling(it);
          it.evaluateEvery = 1;
          it.best = new BestConfig(Optional.of(HeldOutMeasure.SCORE), 0, 0);
        },
        "best.metric is score, allowed: null");
  }

  @Test
  void withoutRewards_thereIsNoScoreForLengthToTakeFrom() {
    refused(
        it -> {
          distilling(it);
          it.length = new LengthConfig(Optional.of(2), 1, 0.5, true);
        },
        "length.overlong-buffer is 2, allowed: null without rewards: there is no score to take"
            + " from; length.truncated-score is 0.5, allowed: 1 without rewards: there is no score to"
            + " take from");
    GrpoChoices choices = new GrpoChoices();
    distilling(choices);
    choices.length = new LengthConfig(Optional.empty(), 1, 1, true);
    assertThat(choices.config().length().leaveOutTruncated()).isTrue();
  }

  /** A deviation of β times a KL has β too: their quotient has it no more. */
  @Test
  void distillationAlone_heldToTheReferenceByItsScore_isNotScaled() {
    for (Scale scale : List.of(Scale.GROUP, Scale.BATCH)) {
      refused(
          choices -> {
            distilling(choices);
            choices.kl = GrpoChoices.kl(0.5, ReferenceConfig.Placement.REWARD);
            choices.advantages = GrpoChoices.advantages(Baseline.MEAN, scale);
          },
          "advantages.scale is "
              + scale.name().toLowerCase(Locale.ROOT)
              + ", allowed: none with kl.placement = reward and without rewards: where KL is all of"
              + " the score, its deviation cancels kl.coefficient");
    }
    GrpoChoices choices = new GrpoChoices();
    distilling(choices);
    choices.kl = GrpoChoices.kl(0.5, ReferenceConfig.Placement.REWARD);
    choices.advantages = GrpoChoices.advantages(Baseline.MEAN, Scale.NONE);
    assertThat(choices.config().kl().inReward()).isTrue();
  }

  @Test
  void theCorrectedKl_knowsNoOlderPolicy() {
    refused(
        choices -> {
          choices.reuse = 1;
          choices.kl =
              new ReferenceConfig(
                  0.1, ReferenceConfig.Placement.LOSS, Kl.K3, KlTerm.Gradient.CORRECTED);
        },
        "kl.gradient is corrected, allowed: estimate or divergence with reuse above 0: the ratio is"
            + " over the policy at the beginning of the round then, and not over the older one that"
            + " sampled");
  }

  private static void distilling(GrpoChoices choices) {
    choices.rewards = Map.of();
    choices.teacher = new TeacherConfig(Optional.of("big"), Optional.empty(), 1, 0);
  }

  @Test
  void overlongBuffer_isNoLongerThanAnAnswer() {
    refused(
        choices -> choices.length = new LengthConfig(Optional.of(7), 1, 1, false),
        "length.overlong-buffer is 7, allowed: at most generation.max-new-tokens (6)");
  }

  @Test
  void refill_wantsABound() {
    assertThatThrownBy(() -> new GrpoConfig.Groups(GrpoConfig.Constant.REFILL, 0))
        .hasMessage("refills is 0, allowed: at least 1 with constant = refill");
  }

  @Test
  void constantGroups_ofOneAnswer_areAllThereAre() {
    refused(
        choices -> {
          choices.answers = 1;
          choices.advantages = GrpoChoices.advantages(Baseline.NONE, Scale.NONE);
          choices.groups = new GrpoConfig.Groups(GrpoConfig.Constant.DROP, 0);
        },
        "groups.constant is drop, allowed: keep, where a group is one answer");
  }

  @Test
  void otherLosses_haveNoPlaceForKlOrTeacher() {
    refused(
        choices -> {
          choices.learn = new Learn.BestOfN(Optional.empty());
          choices.kl = GrpoChoices.kl(0.1, ReferenceConfig.Placement.LOSS);
          choices.teacher = new TeacherConfig(Optional.of("big"), Optional.empty(), 1, 0);
        },
        "kl.coefficient is 0.1, allowed: 0, unless learn.type is policy-gradient; teacher.model is"
            + " big, allowed: null, unless learn.type is policy-gradient");
  }

  private static void refused(Consumer<GrpoChoices> change, String message) {
    GrpoChoices choices = new GrpoChoices();
    assertThatThrownBy(
            () -> {
              change.accept(choices);
              choices.config();
            })
        .hasMessage(message);
  }
}
