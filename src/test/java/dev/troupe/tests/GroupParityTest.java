package dev.troupe.tests;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import com.fasterxml.jackson.databind.JsonNode;
import dev.troupe.engine.HybridEngines;
import dev.troupe.engine.RoleEngine;
import dev.troupe.protocol.data.Floats;
import dev.troupe.protocol.data.Head;
import dev.troupe.protocol.data.Sequence;
import dev.troupe.rlhf.loss.Averaging;
import dev.troupe.rlhf.loss.GroupAdvantages;
import dev.troupe.rlhf.loss.GroupAdvantages.Baseline;
import dev.troupe.rlhf.loss.GroupAdvantages.Scale;
import dev.troupe.rlhf.loss.Kl;
import dev.troupe.rlhf.loss.KlTerm;
import dev.troupe.rlhf.loss.PolicyExample;
import dev.troupe.rlhf.loss.PolicyObjective;
import dev.troupe.rlhf.loss.Ratio;
import dev.troupe.rlhf.loss.Surrogate;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.OptionalDouble;
import java.util.OptionalInt;
import java.util.stream.Stream;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * The real engine repeats ten steps of the trainers of TRL 1.16 that need no critic, on fixed
 * rollouts (src/test/golden/parity/make_groups.py). Prints the largest differences, which
 * docs/parity.md lists.
 */
class GroupParityTest {
  private static final int STEPS = 10;
  private static final int WARMUP = 2;
  private static final int ANSWERS = 4;
  private static final int LONGEST = 10;
  private static final double TRL_EPSILON = 1e-4;

  /**
   * AdamW divides by a gradient's size: where clips leave a weight next to none, the last bit of a
   * float shows.
   */
  private static final double WEIGHTS = 1e-4;

  private static final Surrogate CLIP = clip(0.2, 0.2);

  @TempDir Path directory;

  /**
   * One of TRL's algorithms.
   *
   * @param klInScore coefficient of the sequence's KL estimate that is taken off its score
   * @param length constant that a sequence's sum is divided by; absent for its own
   */
  record Case(
      String name,
      Baseline baseline,
      Scale scale,
      Ratio ratio,
      Surrogate surrogate,
      Averaging averaging,
      KlTerm klInLoss,
      double klInScore,
      OptionalInt length) {
    @Override
    public String toString() {
      return name;
    }
  }

  static Stream<Case> cases() {
    return Stream.of(
        new Case(
            "grpo",
            Baseline.MEAN,
            Scale.GROUP,
            Ratio.TOKEN,
            CLIP,
            Averaging.SEQUENCE,
            new KlTerm(0.04, Kl.K3, KlTerm.Gradient.ESTIMATE),
            0,
            OptionalInt.empty()),
        new Case(
            "grpo-corrected",
            Baseline.MEAN,
            Scale.GROUP,
            Ratio.TOKEN,
            CLIP,
            Averaging.SEQUENCE,
            new KlTerm(0.04, Kl.K3, KlTerm.Gradient.CORRECTED),
            0,
            OptionalInt.empty()),
        new Case(
            "dr-grpo",
            Baseline.MEAN,
            Scale.NONE,
            Ratio.TOKEN,
            CLIP,
            Averaging.SEQUENCE,
            KlTerm.NONE,
            0,
            OptionalInt.of(LONGEST)),
        new Case(
            "dapo",
            Baseline.MEAN,
            Scale.GROUP,
            Ratio.TOKEN,
            new Surrogate.Clip(0.2, 0.28, OptionalDouble.of(1.5)),
            Averaging.GLOBAL_TOKEN,
            KlTerm.NONE,
            0,
            OptionalInt.empty()),
        new Case(
            "cispo",
            Baseline.MEAN,
            Scale.BATCH,
            Ratio.TOKEN,
            new Surrogate.Cispo(1.3),
            Averaging.GLOBAL_TOKEN,
            KlTerm.NONE,
            0,
            OptionalInt.empty()),
        new Case(
            "gspo",
            Baseline.MEAN,
            Scale.GROUP,
            Ratio.SEQUENCE_MEAN,
            clip(0.01, 0.02),
            Averaging.SEQUENCE,
            KlTerm.NONE,
            0,
            OptionalInt.empty()),
        new Case(
            "sapo",
            Baseline.MEAN,
            Scale.GROUP,
            Ratio.TOKEN,
            new Surrogate.Sapo(1, 1.05),
            Averaging.SEQUENCE,
            KlTerm.NONE,
            0,
            OptionalInt.empty()),
        new Case(
            "rloo",
            Baseline.LEAVE_ONE_OUT,
            Scale.NONE,
            Ratio.SEQUENCE,
            CLIP,
            Averaging.SEQUENCE,
            KlTerm.NONE,
            0.05,
            OptionalInt.empty()));
  }

  @ParameterizedTest
  @MethodSource("cases")
  void fixedRollouts_areTrl(Case algorithm) throws IOException {
    JsonNode golden = PeerSteps.golden(algorithm.name());
    PolicyObjective objective =
        new PolicyObjective(
            algorithm.ratio(),
            algorithm.surrogate(),
            algorithm.klInLoss(),
            0,
            algorithm.averaging(),
            PolicyObjective.LOG_RATIO_LIMIT);
    try (HybridEngines engines = new HybridEngines();
        RoleEngine engine =
            engines.open(
                PeerSteps.lora(
                    algorithm.name() + "/initial", Head.LANGUAGE_MODEL, WARMUP, STEPS))) {
      double worst =
          PeerSteps.repeat(
              engine,
              batch -> objective,
              golden,
              golden.path("steps"),
              batch -> examples(batch, algorithm),
              result -> {});
      PeerSteps.assertSameWeights(
          directory, algorithm.name(), engine, algorithm.name() + "/final", worst, WEIGHTS);
    }
  }

  private static List<PolicyExample> examples(JsonNode batch, Case algorithm) {
    List<OptionalDouble> scores = new ArrayList<>();
    for (JsonNode rollout : batch) {
      double score = rollout.path("score").asDouble();
      Floats old = PeerSteps.floats(rollout, "old");
      Floats reference = PeerSteps.floats(rollout, "reference");
      for (int t = 0; t < old.size(); t++) {
        score -= algorithm.klInScore() * Kl.K1.estimate(old.get(t), reference.get(t));
      }
      scores.add(OptionalDouble.of(score));
    }
    List<List<OptionalDouble>> groups = new ArrayList<>();
    for (int i = 0; i < scores.size(); i += ANSWERS) {
      groups.add(scores.subList(i, i + ANSWERS));
    }
    List<OptionalDouble> advantages =
        new GroupAdvantages(algorithm.baseline(), algorithm.scale(), TRL_EPSILON)
            .of(groups).stream().flatMap(List::stream).toList();
    List<PolicyExample> examples = new ArrayList<>();
    for (int i = 0; i < batch.size(); i++) {
      JsonNode rollout = batch.get(i);
      double advantage = advantages.get(i).orElseThrow();
      assertThat(advantage).isEqualTo(rollout.path("advantage").asDouble(), within(1e-5));
      Sequence sequence = PeerSteps.sequence(rollout);
      float[] ofTokens = new float[sequence.reads().size()];
      Arrays.fill(ofTokens, (float) advantage);
      examples.add(
          new PolicyExample(
              sequence,
              PeerSteps.floats(rollout, "old"),
              new Floats(ofTokens),
              algorithm.klInLoss().coefficient() > 0
                  ? PeerSteps.floats(rollout, "reference")
                  : Floats.EMPTY,
              algorithm.length().orElse(ofTokens.length)));
    }
    return examples;
  }

  private static Surrogate clip(double low, double high) {
    return new Surrogate.Clip(low, high, OptionalDouble.empty());
  }
}
