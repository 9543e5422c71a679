package dev.troupe.rlhf.recipe;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import dev.troupe.protocol.data.Accumulated;
import dev.troupe.protocol.data.BatchTotals;
import dev.troupe.protocol.data.Example;
import dev.troupe.protocol.data.Floats;
import dev.troupe.protocol.data.Numerics;
import dev.troupe.protocol.data.Objective;
import dev.troupe.protocol.data.Output;
import dev.troupe.protocol.data.RoleSpec;
import dev.troupe.protocol.data.Sequence;
import dev.troupe.protocol.data.StepResult;
import dev.troupe.protocol.data.StepSettings;
import dev.troupe.protocol.data.TokenIds;
import dev.troupe.protocol.data.TokenOutputs;
import dev.troupe.rlhf.data.JudgedAnswer;
import dev.troupe.rlhf.data.TokenPair;
import dev.troupe.rlhf.loss.Averaging;
import dev.troupe.rlhf.loss.DpoLoss;
import dev.troupe.rlhf.loss.DpoObjective;
import dev.troupe.rlhf.loss.DpoPair;
import dev.troupe.rlhf.loss.KtoExample;
import dev.troupe.rlhf.loss.KtoObjective;
import dev.troupe.rlhf.loss.ScoredExample;
import dev.troupe.rlhf.loss.SftObjective;
import dev.troupe.rlhf.port.Checkpoints;
import dev.troupe.rlhf.port.Learner;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** Learning from preferences on roles whose arithmetic is exact. */
class PreferenceRecipeTest {
  private final TabularCast cast = new TabularCast();
  private final Recording observer = new Recording();

  @ParameterizedTest
  @EnumSource
  void everyVariant_learns_withAndWithoutAReference(DpoLoss.Variant variant) {
    for (DpoConfig.Reference reference : DpoConfig.Reference.values()) {
      cast.opened.clear();
      // IPO's squares want smaller steps.
      double rate = variant.hasMargin() ? 5 : 0.02;
      DpoConfig config = TabularRecipes.dpo(reference, variant, rate, 0, BestConfig.NONE);
      PreferenceRecipe.Result result = run(config, new DpoMethod(config), pairs(), "dpo");
      assertThat(result.accuracy().orElseThrow().share()).isEqualTo(1);
      assertThat(result.margin().orElseThrow()).isPositive();
      assertThat(cast.opened)
          .extracting(RoleSpec::name)
          .containsExactlyElementsOf(
              reference == DpoConfig.Reference.NONE
                  ? List.of("policy")
                  : List.of("policy", "reference"));
    }
  }

  @ParameterizedTest
  @EnumSource
  void orpo_imitatesAndPrefers_withoutAReference(OrpoConfig.Imitated imitated) {
    OrpoConfig config =
        new OrpoConfig(
            3,
            8,
            0.1,
            imitated,
            new TuningConfig.Full(),
            TabularRecipes.optimizer(1),
            8,
            0,
            BestConfig.NONE,
            TabularRecipes.evaluation());
    PreferenceRecipe.Result result = run(config, new OrpoMethod(config), pairs(), "orpo");
    assertThat(cast.opened).extracting(RoleSpec::name).containsExactly("policy");
    // At first every token has the probability 1/6, and the odds are even.
    assertThat(observer.steps.get(0).get("loss"))
        .isCloseTo(Math.log(6) + 0.1 * Math.log(2), within(1e-5));
    assertThat(result.accuracy().orElseThrow().share()).isEqualTo(1);
    assertThat(result.account()).isEqualTo(new Account(3 * 32, 3 * 32, Map.of()));
  }

  /** Two tokens of the prompt, one of each answer: by hand. */
  @Test
  void orpo_all_isAMeanOverTheTokensOfTheStep() {
    List<TokenPair> two =
        List.of(
            new TokenPair(TokenIds.of(1, 2), TokenIds.of(3), TokenIds.of(4), 0),
            new TokenPair(TokenIds.of(1), TokenIds.of(3, 3, 0), TokenIds.of(4), 0));
    var all = new OrpoMethod(orpo(OrpoConfig.Imitated.ALL)).prepare(two, Optional.empty());
    assertThat(all.examples().get(0).chosen().reads()).isEqualTo(TokenIds.of(0, 1));
    assertThat(all.examples().get(0).answerFrom()).isEqualTo(1);
    assertThat(all.examples()).allMatch(pair -> pair.sftLength() == 2.5);
    var answer =
        new OrpoMethod(orpo(OrpoConfig.Imitated.COMPLETION)).prepare(two, Optional.empty());
    assertThat(answer.examples().get(0).chosen().reads()).isEqualTo(TokenIds.of(1));
    assertThat(answer.examples()).extracting(pair -> pair.sftLength()).containsExactly(1.0, 3.0);
    assertThat(answer.examples()).allMatch(pair -> pair.answerFrom() == 0);
  }

  private static OrpoConfig orpo(OrpoConfig.Imitated imitated) {
    return new OrpoConfig(
        1,
        2,
        0.1,
        imitated,
        new TuningConfig.Full(),
        TabularRecipes.optimizer(1),
        1,
        0,
        BestConfig.NONE,
        TabularRecipes.evaluation());
  }

  @Test
  void kto_learnsWhichAnswersAreGood_andResumesToTheSame() {
    KtoConfig config = kto(8, 8, 1, 1);
    KtoMethod method = new KtoMethod(config, 100);
    PreferenceRecipe.Result whole = run(config, method, answers(), "kto");
    assertThat(cast.opened).extracting(RoleSpec::name).containsExactly("policy", "reference");
    // The policy is the reference at first: 1 − σ(0) of each.
    assertThat(observer.steps.get(0).get("loss")).isCloseTo(0.5, within(1e-6));
    assertThat(observer.steps.get(0).get("referencePoint")).isCloseTo(0, within(1e-6));
    assertThat(whole.accuracy().orElseThrow().share()).isGreaterThan(0.8);
    assertThat(whole.margin().orElseThrow()).isPositive();
    assertThat(whole.account().trained()).isEqualTo(3 * 64);

    MemoryCheckpoints checkpoints = new MemoryCheckpoints();
    var data = TabularRecipes.split(answers());
    TabularRecipes.preferences(config, method, data, Optional.empty())
        .run(context("kto", new Recording(7), checkpoints));
    assertThat(
            TabularRecipes.preferences(config, method, data, Optional.empty())
                .run(context("kto", new Recording(), checkpoints)))
        .isEqualTo(whole);
  }

  @Test
  void kto_prompts_getTheAnswerBeforeThem_toAnotherPrompt() {
    KtoMethod method = new KtoMethod(kto(8, 8, 1, 1), 4);
    JudgedAnswer a = judged(1, 10, 11, 12);
    JudgedAnswer b = judged(2, 20);
    JudgedAnswer bToo = judged(2, 21);
    assertThat(method.mismatched(List.of(a, b, bToo)).stream().map(Sequence::tokens))
        .containsExactly(
            TokenIds.of(1, 21), TokenIds.of(2, 10, 11, 12), TokenIds.of(2, 10, 11, 12));
    // Nothing but its own prompt is there: as TRL.
    assertThat(method.mismatched(List.of(b, bToo)).stream().map(Sequence::tokens))
        .containsExactly(TokenIds.of(2, 21), TokenIds.of(2, 20));
    // Four tokens are the most.
    JudgedAnswer wide = new JudgedAnswer(TokenIds.of(3, 3), TokenIds.of(9), true);
    assertThat(method.mismatched(List.of(a, wide)).get(1).tokens())
        .isEqualTo(TokenIds.of(3, 3, 10, 11));
  }

  /** By hand: the policy gives each token −1, the reference −3; the answers have 2 and 1 tokens. */
  @Test
  void kto_referencePoint_isWhatThePolicyGainedOnMismatchedPairs() {
    KtoMethod method = new KtoMethod(kto(8, 8, 1, 1), 100);
    var ready =
        method.prepare(List.of(judged(1, 10, 11), judged(2, 20)), Optional.of(new Constant(-3)));
    assertThat(ready.examples()).extracting(KtoExample::refLogprob).containsExactly(-6.0, -3.0);
    assertThat(((KtoObjective) ready.objective().apply(new Constant(-1))).referencePoint())
        .isEqualTo((2 * 1 + 2 * 2) / 2.0);
    assertThat(((KtoObjective) ready.objective().apply(new Constant(-4))).referencePoint())
        .isZero();
  }

  /** Says the same of every token. */
  private record Constant(float logprob) implements Learner {
    @Override
    public CompletionStage<List<TokenOutputs>> evaluate(
        List<Sequence> sequences, Set<Output> outputs) {
      return CompletableFuture.completedFuture(
          sequences.stream().map(sequence -> logprobs(sequence.reads().size())).toList());
    }

    private TokenOutputs logprobs(int size) {
      float[] all = new float[size];
      Arrays.fill(all, logprob);
      return new TokenOutputs(new Floats(all), Floats.EMPTY, Floats.EMPTY);
    }

    @Override
    public <E extends Example> CompletionStage<Accumulated> accumulate(
        Objective<E> objective, List<E> examples, BatchTotals totals) {
      throw new UnsupportedOperationException();
    }

    @Override
    public CompletionStage<StepResult> step(Optional<StepSettings> settings) {
      throw new UnsupportedOperationException();
    }

    @Override
    public CompletionStage<Void> save(String directory) {
      throw new UnsupportedOperationException();
    }

    @Override
    public CompletionStage<Void> checkpoint(String directory) {
      throw new UnsupportedOperationException();
    }

    @Override
    public CompletionStage<Void> restore(String directory) {
      throw new UnsupportedOperationException();
    }
  }

  /** A long chosen answer is less likely as a whole, and more likely per token. */
  @Test
  void accuracy_isOfWhatTheVariantCompares() {
    DpoPair pair =
        new TokenPair(TokenIds.of(1), TokenIds.of(3, 3, 3, 0), TokenIds.of(4), 0).dpo(0, 0);
    List<List<TokenOutputs>> outputs =
        List.of(List.of(new Constant(-1).logprobs(4), new Constant(-2).logprobs(1)));
    for (DpoLoss.Variant variant : DpoLoss.Variant.values()) {
      boolean mean = variant == DpoLoss.Variant.SIGMOID_MEAN || variant == DpoLoss.Variant.IPO;
      Map<String, Double> metrics =
          new DpoObjective(variant, 0.5, 0)
              .evaluate(List.of(pair), outputs, BatchTotals.of(List.of(pair)))
              .metrics();
      assertThat(metrics.get("accuracy")).as(variant.name()).isEqualTo(mean ? 1 : 0);
      assertThat(metrics.get("margin")).isCloseTo(0.5 * (mean ? 1 : -2), within(1e-9));
    }
  }

  @Test
  void sft_weighting_reachesTheLoss() {
    for (SftObjective.Weighting weighting : SftObjective.Weighting.values()) {
      cast.objectives.clear();
      TabularRecipes.sft(weighting).run(context("sft", observer, Checkpoints.NONE));
      assertThat(cast.objectives)
          .isNotEmpty()
          .allMatch(of -> of.equals(new SftObjective(Averaging.GLOBAL_TOKEN, 1, weighting)));
    }
  }

  @Test
  void kto_unevenWeights_areTold() {
    KtoConfig even = kto(8, 8, 1, 1);
    assertThat(even.imbalance(100, 100)).isEmpty();
    assertThat(even.imbalance(133, 100)).isEmpty();
    assertThat(even.imbalance(100, 200))
        .contains(
            "100 good and 200 bad answers: weighted they are 0.50 to 1, and 1 to 1.33 is"
                + " recommended; set kto.desirable-weight from 2.00 to 2.67");
    assertThat(even.imbalance(140, 100)).isPresent();
    assertThat(kto(8, 8, 2, 1).imbalance(100, 200)).isEmpty();
    assertThat(kto(8, 8, 1, 1.4).imbalance(140, 100)).isEmpty();
  }

  @Test
  void kto_single_isRefused() {
    assertThatThrownBy(() -> kto(1, 1, 0, 1))
        .hasMessageContaining("batch-size is 1, allowed: at least 2: KTO's reference point")
        .hasMessageContaining("held-out is 1, allowed: at least 2")
        .hasMessageContaining("desirable-weight is 0, allowed: above 0");
  }

  @Test
  void rewardModel_ofScores_saysThem() {
    List<ScoredExample> all = new ArrayList<>();
    for (JudgedAnswer answer : answers()) {
      all.add(
          new ScoredExample(
              Sequence.ofLast(answer.prompt().concat(answer.answer())),
              Floats.of(answer.good() ? 2 : -1)));
    }
    RewardModelRecipe.Result result = reward(RewardModelConfig.Loss.REGRESSION, 0.05, all);
    assertThat(result.before().scoreError().orElseThrow()).isBetween(1.0, 2.0);
    assertThat(result.after().orElseThrow().scoreError().orElseThrow()).isLessThan(0.2);
    assertThat(result.after().orElseThrow().accuracy()).isEmpty();
    assertThat(result.after().orElseThrow().margin()).isEmpty();
    assertThat(result.after().orElseThrow().scoreDeviation()).isCloseTo(1.5, within(0.2));
  }

  @Test
  void rewardModel_ofSteps_saysWhichAreRight() {
    List<ScoredExample> all = new ArrayList<>();
    for (int i = 0; i < 40; i++) {
      TokenIds tokens = i % 2 == 0 ? TokenIds.of(1, 3, 5, 4) : TokenIds.of(1, 4, 5, 3);
      // A step is right from the good token on; each has as many good as bad ones at its end.
      all.add(
          new ScoredExample(new Sequence(tokens, TokenIds.of(1)), Floats.of(i % 2 == 0 ? 1 : 0)));
    }
    RewardModelRecipe.Result result = reward(RewardModelConfig.Loss.STEPS, 1, all);
    assertThat(result.before().loss()).isCloseTo(Math.log(2), within(1e-6));
    assertThat(result.after().orElseThrow().accuracy().orElseThrow().share()).isEqualTo(1);
    assertThat(result.after().orElseThrow().accuracy().orElseThrow().total()).isEqualTo(8);
  }

  @Test
  void rewardModel_measuresThatItHasNot_areRefused() {
    assertThatThrownBy(
            () -> rewardConfig(RewardModelConfig.Loss.REGRESSION, 1, 0.1, HeldOutMeasure.ACCURACY))
        .hasMessageContaining(
            "center-coefficient is 0.1, allowed: 0 with a loss other than last-token")
        .hasMessageContaining("best.metric is accuracy, allowed: null, loss");
    assertThat(rewardConfig(RewardModelConfig.Loss.STEPS, 1, 0, HeldOutMeasure.ACCURACY))
        .isNotNull();
  }

  private RewardModelRecipe.Result reward(
      RewardModelConfig.Loss loss, double rate, List<ScoredExample> all) {
    return RewardModelRecipe.ofScores(
            rewardConfig(loss, rate, 0, HeldOutMeasure.LOSS),
            new ModelStart("tabular", Optional.empty()),
            TabularRecipes.split(all))
        .run(context("reward", observer, new MemoryCheckpoints()));
  }

  private static RewardModelConfig rewardConfig(
      RewardModelConfig.Loss loss, double rate, double centre, HeldOutMeasure measure) {
    return new RewardModelConfig(
        6,
        8,
        loss,
        "\n",
        centre,
        new TuningConfig.Full(),
        TabularRecipes.optimizer(rate),
        8,
        2,
        new BestConfig(Optional.of(measure), 0, 0));
  }

  private static KtoConfig kto(int batchSize, int heldOut, double good, double bad) {
    return new KtoConfig(
        3,
        batchSize,
        0.5,
        good,
        bad,
        0,
        new TuningConfig.Full(),
        TabularRecipes.optimizer(5),
        heldOut,
        0,
        BestConfig.NONE,
        TabularRecipes.evaluation());
  }

  private static JudgedAnswer judged(int prompt, int... answer) {
    return new JudgedAnswer(TokenIds.of(prompt), new TokenIds(answer), true);
  }

  private static List<TokenPair> pairs() {
    return TabularRecipes.tokenPairs();
  }

  /** 36 pairs: 72 answers, of which 8 are held out. */
  private static List<JudgedAnswer> answers() {
    return pairs().subList(0, 36).stream().flatMap(pair -> pair.judged().stream()).toList();
  }

  private <T, E extends Example> PreferenceRecipe.Result run(
      PreferenceConfig config, PreferenceMethod<T, E> method, List<T> all, String stage) {
    return TabularRecipes.preferences(config, method, TabularRecipes.split(all), Optional.empty())
        .run(context(stage, observer, Checkpoints.NONE));
  }

  private StageContext context(String stage, Recording recording, Checkpoints checkpoints) {
    return new StageContext(
        stage, cast, Numerics.EXACT, recording, checkpoints, "out/" + stage, 11, 5);
  }
}
