package dev.troupe.rlhf.recipe;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import dev.troupe.protocol.data.BatchTotals;
import dev.troupe.protocol.data.FinishReason;
import dev.troupe.protocol.data.Floats;
import dev.troupe.protocol.data.Prompt;
import dev.troupe.protocol.data.Rollout;
import dev.troupe.protocol.data.TokenIds;
import dev.troupe.protocol.data.TokenOutputs;
import dev.troupe.rlhf.loss.DpoLoss;
import dev.troupe.rlhf.loss.DpoPair;
import dev.troupe.rlhf.loss.GroupAdvantages.Baseline;
import dev.troupe.rlhf.loss.GroupAdvantages.Scale;
import dev.troupe.rlhf.loss.Kl;
import dev.troupe.rlhf.loss.KlTerm;
import dev.troupe.rlhf.loss.PolicyExample;
import dev.troupe.rlhf.loss.PolicyObjective;
import dev.troupe.rlhf.loss.Ratio;
import dev.troupe.rlhf.loss.Whitening;
import dev.troupe.rlhf.port.ScorerException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.junit.jupiter.api.Test;

/** Advantages of a round against numbers made by hand; 1e-5 is the rounding of floats. */
class GroupLessonsTest {
  private static final double TOLERANCE = 1e-5;

  private final GrpoChoices choices = new GrpoChoices();
  private final Ledger ledger = new Ledger(Account.EMPTY);

  @Test
  void grpo_advantagesOfFourScores() {
    // mean 0.75, deviation 0.957427 (n − 1), plus 1e-4.
    assertThat(advantages(group(1, 0, 0, 2)))
        .containsExactly(
            new double[] {0.261089, -0.783268, -0.783268, 1.305446}, within(TOLERANCE));
  }

  @Test
  void drGrpo_dividesByNothing_andByTheLimit() {
    choices.advantages = GrpoChoices.advantages(Baseline.MEAN, Scale.NONE);
    choices.learn =
        GrpoChoices.gradient(
            Ratio.TOKEN, new SurrogateConfig.Clip(0.2, 0.2, Optional.empty()), Learn.Mean.LIMIT);
    assertThat(advantages(group(1, 0, 0, 2)))
        .containsExactly(new double[] {0.25, -0.75, -0.75, 1.25}, within(TOLERANCE));
    assertThat(lessons(named("t", 1, 0)).all())
        .allMatch(lesson -> ((PolicyExample) lesson.example()).length() == 6);
  }

  @Test
  void rloo_penaltyOffTheScore_beforeTheBaseline() {
    choices.advantages = GrpoChoices.advantages(Baseline.LEAVE_ONE_OUT, Scale.NONE);
    assertThat(advantages(group(1, 0, 0, 2)))
        .containsExactly(new double[] {0.333333, -1, -1, 1.666667}, within(TOLERANCE));

    choices.kl = GrpoChoices.kl(0.5, ReferenceConfig.Placement.REWARD);
    // k1 sums 0.4 and −0.2: scores 1 − 0.2 and 0 + 0.1; 2/1 · (r − 0.45).
    assertThat(
            advantages(
                List.of(
                    answer(
                        "a", 1, FinishReason.EOS, new float[] {-1, -1}, new float[] {-1.2f, -1.2f}),
                    answer("b", 0, FinishReason.EOS, new float[] {-1}, new float[] {-0.8f}))))
        .containsExactly(new double[] {0.7, -0.7}, within(TOLERANCE));
  }

  @Test
  void reinforcePlusPlus_returnsOfTokenRewards_whitened() {
    choices.advantages =
        new GroupAdvantagesConfig(
            Baseline.NONE, Scale.NONE, 0, GroupAdvantagesConfig.Credit.TOKEN, 1, Whitening.CENTRED);
    choices.answers = 1;
    // Returns 1, 1 and 0, 0, 0: whitened by the unbiased deviation.
    List<Floats> perToken =
        perTokenOf(
            List.of(
                List.of(answer("a", 1, FinishReason.EOS, new float[2], null)),
                List.of(answer("b", 0, FinishReason.EOS, new float[3], null))));
    assertThat(perToken.get(0).values())
        .containsExactly(new float[] {1.095445f, 1.095445f}, within(1e-5f));
    assertThat(perToken.get(1).values())
        .containsExactly(new float[] {-0.730297f, -0.730297f, -0.730297f}, within(1e-5f));
  }

  @Test
  void tokenCredit_penaltyOfALaterToken_reachesEarlierOnes_discounted() {
    choices.advantages =
        new GroupAdvantagesConfig(
            Baseline.NONE, Scale.NONE, 0, GroupAdvantagesConfig.Credit.TOKEN, 0.9, Whitening.NONE);
    choices.answers = 1;
    choices.kl = GrpoChoices.kl(0.1, ReferenceConfig.Placement.REWARD);
    // k1 of 0, 1, 0: rewards 0, −0.1, 1.
    List<Floats> perToken =
        perToken(
            List.of(
                answer(
                    "a", 1, FinishReason.EOS, new float[] {-1, -1, -1}, new float[] {-1, -2, -1})));
    assertThat(perToken.get(0).values())
        .containsExactly(new float[] {0.9f * 0.8f, 0.8f, 1}, within(1e-6f));
  }

  @Test
  void distillation_isAddedToTheTasksAdvantage_withDiscount() {
    choices.advantages = GrpoChoices.advantages(Baseline.MEAN, Scale.NONE);
    choices.teacher = new TeacherConfig(Optional.of("big"), Optional.empty(), 1, 0.9);
    GroupAnswer student =
        answer("a", 1, FinishReason.EOS, new float[] {-0.5f, -1, -0.2f}, null)
            .seen(
                Floats.of(-0.5f, -1, -0.2f),
                Optional.empty(),
                Optional.of(Floats.of(-0.7f, -0.4f, -0.25f)));
    GroupAnswer other =
        answer("b", 0, FinishReason.EOS, new float[] {-1}, null)
            .seen(Floats.of(-1), Optional.empty(), Optional.of(Floats.of(-1)));
    List<Floats> perToken = perToken(List.of(student, other));
    assertThat(perToken.get(0).values())
        .containsExactly(new float[] {0.5f + 0.2995f, 0.5f + 0.555f, 0.5f - 0.05f}, within(1e-6f));
    assertThat(perToken.get(1).get(0)).isCloseTo(-0.5f, within(1e-6f));
  }

  @Test
  void kl_inTheLoss_givesExamplesTheReference() {
    choices.kl =
        new ReferenceConfig(0.1, ReferenceConfig.Placement.LOSS, Kl.K2, KlTerm.Gradient.ESTIMATE);
    GroupLessons<?> lessons =
        lessons(
            List.of(
                answer("a", 1, FinishReason.EOS, new float[] {-1}, new float[] {-2}),
                answer("b", 0, FinishReason.EOS, new float[] {-1}, new float[] {-3})));
    assertThat(lessons.all())
        .extracting(lesson -> ((PolicyExample) lesson.example()).refLogprobs())
        .containsExactly(Floats.of(-2), Floats.of(-3));
  }

  @Test
  void truncated_leftOut_stillCountsInTheBaseline() {
    choices.length = new LengthConfig(Optional.empty(), 1, 1, true);
    choices.advantages = GrpoChoices.advantages(Baseline.MEAN, Scale.NONE);
    List<GroupAnswer> group =
        List.of(
            answer("a", 1, FinishReason.EOS, new float[] {-1}, null),
            answer("b", 0, FinishReason.LENGTH, new float[] {-1}, null));
    assertThat(advantages(group)).containsExactly(0.5);
    ledger.trained("a");
    assertThat(ledger.account().dropped()).isEqualTo(Map.of("truncated", 1L));
  }

  @Test
  void theOnlyScoredAnswer_hasNothingToCompareWith() {
    assertThat(lessons(List.of(answer("a", 1, FinishReason.EOS, new float[] {-1}, null))).all())
        .isEmpty();
    assertThat(ledger.account().dropped()).isEqualTo(Map.of("no other answer with a score", 1L));
  }

  @Test
  void perPrompt_lengthIsTheGroupsMean() {
    choices.learn =
        GrpoChoices.gradient(
            Ratio.TOKEN, new SurrogateConfig.Clip(0.2, 0.2, Optional.empty()), Learn.Mean.PROMPT);
    assertThat(
            lessons(
                    List.of(
                        answer("a", 1, FinishReason.EOS, new float[2], null),
                        answer("b", 0, FinishReason.EOS, new float[5], null)))
                .all())
        .allMatch(lesson -> ((PolicyExample) lesson.example()).length() == 3.5);
  }

  /** Two prompts, of 7 tokens in two answers and of 6 in three: each half of the loss. */
  @Test
  void perPrompt_unequalGroups_weighAlike() {
    choices.learn =
        GrpoChoices.gradient(
            Ratio.TOKEN, new SurrogateConfig.Clip(0.2, 0.2, Optional.empty()), Learn.Mean.PROMPT);
    List<GroupAnswer> two =
        List.of(
            answer("a", 1, FinishReason.EOS, new float[2], null),
            answer("b", 0, FinishReason.EOS, new float[5], null));
    List<GroupAnswer> three =
        List.of(
            answer("c", 1, FinishReason.EOS, new float[1], null),
            answer("d", 0, FinishReason.EOS, new float[2], null),
            answer("e", 0, FinishReason.EOS, new float[3], null));
    List<Double> lengths =
        GroupLessons.of(choices.config(), List.of(two, three), ledger).all().stream()
            .map(lesson -> ((PolicyExample) lesson.example()).length())
            .toList();
    // The mean over five answers: a token weighs 1 / (5 · 2.8) = 1 / (2 · 7), 1 / (5 · 2.4) = 1 /
    // (2 · 6).
    assertThat(lengths).containsExactly(2.8, 2.8, 2.4, 2.4, 2.4);
  }

  /**
   * k1 sums 0.4 and −0.2 at 0.5 off scores that are not there; the teacher's 0.1 and 0.3 beside.
   */
  @Test
  void distillationAlone_isHeldToTheReference_offAScoreOfNothing() {
    choices.advantages = GrpoChoices.advantages(Baseline.LEAVE_ONE_OUT, Scale.NONE);
    choices.kl = GrpoChoices.kl(0.5, ReferenceConfig.Placement.REWARD);
    choices.teacher = new TeacherConfig(Optional.of("big"), Optional.empty(), 1, 0);
    choices.rewards = Map.of();
    List<GroupAnswer> group =
        List.of(
            unscored("a", Floats.of(-1, -1), Floats.of(-1.2f, -1.2f), Floats.of(-0.9f, -0.9f)),
            unscored("b", Floats.of(-1), Floats.of(-0.8f), Floats.of(-0.7f)));
    List<Floats> perToken = perToken(group);
    // 2/1 · (−0.2 + 0.05) and 2/1 · (0.1 + 0.05).
    assertThat(perToken.get(0).values()).containsExactly(new float[] {-0.2f, -0.2f}, within(1e-6f));
    assertThat(perToken.get(1).values()).containsExactly(new float[] {0.6f}, within(1e-6f));
  }

  @Test
  void maxRl_scoreBelowZero_isNamed() {
    choices.advantages = GrpoChoices.advantages(Baseline.MEAN, Scale.GROUP_MEAN);
    assertThatThrownBy(() -> lessons(group(1, 0, -0.25)))
        .isInstanceOf(ScorerException.class)
        .hasMessage(
            "the score of an answer to p is -0.25 and grpo.advantages.scale = group-mean (MaxRL)"
                + " needs scores of at least 0: choose another scale, or rewards from 0");
    // 0.5 / 0.5 and −0.5 / 0.5
    assertThat(advantages(named("t", 1, 0))).containsExactly(new double[] {1, -1}, within(1e-3));
  }

  @Test
  void importance_weightsMultiplyTheAdvantage_upToTheCap() {
    choices.advantages = GrpoChoices.advantages(Baseline.MEAN, Scale.NONE);
    GroupAnswer coarse =
        answer("a", 1, FinishReason.EOS, new float[] {-1.9f, -1}, null)
            .seen(Floats.of(-1, -1), Optional.empty(), Optional.empty());
    List<Floats> perToken =
        perToken(List.of(coarse, answer("b", 0, FinishReason.EOS, new float[] {-1}, null)));
    // exp(0.9) = 2.46 is cut at 2.
    assertThat(perToken.get(0).values()).containsExactly(new float[] {1, 0.5f}, within(1e-6f));
  }

  /** θ −1, proximal −1.1, behaviour −1.4: w = e^0.3, ρ = e^0.1, and the loss −w ρ A. */
  @Test
  void anOlderPolicysAnswer_isWeighted_andClippedAroundTheProximalPolicy() {
    choices.advantages = GrpoChoices.advantages(Baseline.NONE, Scale.NONE);
    choices.importanceCap = Optional.of(5.0);
    choices.reuse = 1;
    GroupAnswer older =
        answer("a", 1, FinishReason.EOS, new float[] {-1.4f}, null)
            .forLater()
            .seen(Floats.of(-1.1f), Optional.empty(), Optional.empty());
    GroupLessons<?> lessons = lessons(List.of(older));
    PolicyExample example = (PolicyExample) lessons.all().get(0).example();
    assertThat(example.oldLogprobs()).isEqualTo(Floats.of(-1.1f));
    assertThat((double) example.advantages().get(0)).isCloseTo(1.349859, within(TOLERANCE));
    assertThat(lossAt(lessons, example, -1)).isCloseTo(-1.491825, within(TOLERANCE));
    // Beyond the clip around the proximal policy: −w · 1.2.
    assertThat(lossAt(lessons, example, -0.5f)).isCloseTo(-1.349859 * 1.2, within(TOLERANCE));
    assertThat(lessons.all().get(0).samples()).as("in an earlier round's books").isEmpty();
    assertThat(lessons.all().get(0).experiences()).isEmpty();

    choices.importanceCap = Optional.of(1.2);
    PolicyExample capped = (PolicyExample) lessons(List.of(older)).all().get(0).example();
    assertThat(capped.advantages().get(0)).isEqualTo(1.2f);
  }

  private static double lossAt(GroupLessons<?> lessons, PolicyExample example, float logprob) {
    return ((PolicyObjective) lessons.objective())
        .evaluate(
            List.of(example),
            List.of(List.of(new TokenOutputs(Floats.of(logprob), Floats.EMPTY, Floats.EMPTY))),
            new BatchTotals(1, 1))
        .loss();
  }

  @Test
  void anOlderPolicysAnswer_leftOut_isInNobodysBooksAgain() {
    choices.reuse = 1;
    choices.length = new LengthConfig(Optional.empty(), 1, 1, true);
    List<GroupAnswer> group =
        List.of(
            answer("a", 1, FinishReason.EOS, new float[] {-1}, null).forLater(),
            answer("b", 0, FinishReason.LENGTH, new float[] {-1}, null).forLater());
    ledger.trained("a");
    ledger.dropped("b", "truncated");
    assertThat(lessons(group).all()).hasSize(1);
    assertThat(ledger.account()).isEqualTo(new Account(2, 1, Map.of("truncated", 1L)));
  }

  @Test
  void bestOfN_firstOfTheBest_aboveTheBound() {
    choices.learn = new Learn.BestOfN(Optional.of(0.5));
    GroupLessons<?> lessons =
        GroupLessons.of(choices.config(), List.of(group(0, 1, 1), named("z", 0, 0.5)), ledger);
    assertThat(lessons.all()).extracting(lesson -> lesson.samples().get(0)).containsExactly("s1");
    ledger.trained("s1");
    assertThat(ledger.account().dropped())
        .isEqualTo(Map.of("not the best of its group", 3L, "not above learn.above", 1L));
  }

  @Test
  void preferences_bestAndWorst_withTheReferencesSums() {
    choices.learn = new Learn.Preferences(DpoLoss.Variant.SIGMOID, 0.1, 0);
    List<GroupAnswer> group =
        List.of(
            answer("a", 0, FinishReason.EOS, new float[] {-1, -1}, new float[] {-1, -3}),
            answer("b", 2, FinishReason.EOS, new float[] {-1}, new float[] {-2.5f}),
            answer("c", 1, FinishReason.EOS, new float[] {-1}, new float[] {-1}));
    GroupLessons<?> lessons = lessons(group);
    assertThat(lessons.all()).hasSize(1);
    assertThat(lessons.all().get(0).samples()).containsExactly("b", "a");
    DpoPair pair = (DpoPair) lessons.all().get(0).example();
    assertThat(pair.refChosenLogprob()).isEqualTo(-2.5);
    assertThat(pair.refRejectedLogprob()).isEqualTo(-4);
    assertThat(pair.chosen()).isEqualTo(group.get(1).rollout().sequence());

    lessons(named("t", 1, 1));
    List.of("a", "b").forEach(ledger::trained);
    assertThat(ledger.account().dropped())
        .isEqualTo(Map.of("constant group", 2L, "neither best nor worst of its group", 1L));
  }

  // --- surroundings ---

  private List<GroupAnswer> group(double... scores) {
    return named("s", scores);
  }

  private List<GroupAnswer> named(String name, double... scores) {
    List<GroupAnswer> answers = new ArrayList<>();
    for (double score : scores) {
      answers.add(answer(name + answers.size(), score, FinishReason.EOS, new float[] {-1}, null));
    }
    return answers;
  }

  private GroupAnswer answer(
      String sample, double score, FinishReason finish, float[] logprobs, float[] ref) {
    ledger.issued(sample);
    ledger.rolledOut(sample);
    ledger.scored(sample);
    int[] response = new int[logprobs.length];
    Arrays.fill(response, 3);
    Rollout rollout =
        new Rollout(
            new Prompt("p", "p", TokenIds.of(1)),
            new TokenIds(response),
            "",
            new Floats(logprobs),
            finish,
            0);
    return new GroupAnswer(
        sample,
        rollout,
        Optional.of(score),
        score,
        rollout.logprobs(),
        Optional.ofNullable(ref).map(Floats::new),
        Optional.empty(),
        false,
        false);
  }

  private GroupAnswer unscored(String sample, Floats own, Floats ref, Floats teacher) {
    GroupAnswer scored = answer(sample, 0, FinishReason.EOS, own.values(), ref.values());
    return new GroupAnswer(
        sample,
        scored.rollout(),
        Optional.empty(),
        0,
        own,
        Optional.of(ref),
        Optional.of(teacher),
        false,
        false);
  }

  private GroupLessons<?> lessons(List<GroupAnswer> group) {
    return GroupLessons.of(choices.config(), List.of(group), ledger);
  }

  private List<Floats> perToken(List<GroupAnswer> group) {
    return perTokenOf(List.of(group));
  }

  private List<Floats> perTokenOf(List<List<GroupAnswer>> groups) {
    return GroupLessons.of(choices.config(), groups, ledger).all().stream()
        .map(lesson -> ((PolicyExample) lesson.example()).advantages())
        .toList();
  }

  /** Of the first token of each answer. */
  private double[] advantages(List<GroupAnswer> group) {
    return perToken(group).stream().mapToDouble(advantages -> advantages.get(0)).toArray();
  }
}
