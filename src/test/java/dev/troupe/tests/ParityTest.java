package dev.troupe.tests;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import com.fasterxml.jackson.databind.JsonNode;
import dev.troupe.engine.HybridEngines;
import dev.troupe.engine.RoleEngine;
import dev.troupe.protocol.data.Floats;
import dev.troupe.protocol.data.Head;
import dev.troupe.protocol.data.Tuning;
import dev.troupe.rlhf.loss.Averaging;
import dev.troupe.rlhf.loss.DpoLoss;
import dev.troupe.rlhf.loss.DpoObjective;
import dev.troupe.rlhf.loss.DpoPair;
import dev.troupe.rlhf.loss.Gae;
import dev.troupe.rlhf.loss.Masked;
import dev.troupe.rlhf.loss.PolicyExample;
import dev.troupe.rlhf.loss.PolicyObjective;
import dev.troupe.rlhf.loss.PpoValueObjective;
import dev.troupe.rlhf.loss.RankedPair;
import dev.troupe.rlhf.loss.RewardObjective;
import dev.troupe.rlhf.loss.SftExample;
import dev.troupe.rlhf.loss.SftObjective;
import dev.troupe.rlhf.loss.TokenRewards;
import dev.troupe.rlhf.loss.ValueExample;
import dev.troupe.rlhf.loss.Whitening;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.OptionalDouble;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/**
 * The real engine repeats training steps of transformers, peft and TRL (src/test/golden/parity) on
 * the same model, data order and hyper-parameters. Prints the largest differences, which
 * docs/parity.md lists.
 */
class ParityTest {
  private static final int STEPS = 20;
  private static final int WARMUP = 4;

  @TempDir Path directory;

  @Test
  void sft_lora_isPeft() throws IOException {
    JsonNode golden = PeerSteps.golden("sft-lora");
    try (HybridEngines engines = new HybridEngines();
        RoleEngine engine =
            engines.open(PeerSteps.lora("sft-lora/initial", Head.LANGUAGE_MODEL, WARMUP, STEPS))) {
      double worst =
          PeerSteps.repeat(
              engine,
              new SftObjective(Averaging.GLOBAL_TOKEN),
              golden,
              golden.path("steps"),
              ParityTest::text);
      PeerSteps.assertSameWeights(directory, "sft-lora", engine, "sft-lora/final", worst);
    }
  }

  @Test
  void sft_ofEveryWeight_isTransformers() throws IOException {
    JsonNode golden = PeerSteps.golden("sft-full");
    try (HybridEngines engines = new HybridEngines();
        RoleEngine engine =
            engines.open(
                PeerSteps.spec(
                    Optional.empty(), new Tuning.Full(), Head.LANGUAGE_MODEL, WARMUP, STEPS))) {
      double worst =
          PeerSteps.repeat(
              engine,
              new SftObjective(Averaging.GLOBAL_TOKEN),
              golden,
              golden.path("steps"),
              ParityTest::text);
      PeerSteps.assertSameWeights(directory, "sft-full", engine, "sft-full/final", worst);
    }
  }

  @Test
  void rewardModel_isTrl() throws IOException {
    JsonNode golden = PeerSteps.golden("reward");
    List<Double> accuracies = new ArrayList<>();
    try (HybridEngines engines = new HybridEngines();
        RoleEngine engine =
            engines.open(PeerSteps.lora("reward/initial", Head.VALUE, WARMUP, STEPS))) {
      double worst =
          PeerSteps.repeat(
              engine,
              batch -> new RewardObjective(RewardObjective.Kind.LAST_TOKEN, 0.01),
              golden,
              golden.path("steps"),
              batch -> batch.valueStream().map(ParityTest::ranked).toList(),
              result -> accuracies.add(result.metrics().get("accuracy")));
      PeerSteps.assertSameWeights(directory, "reward", engine, "reward/final", worst);
    }
    for (int step = 0; step < accuracies.size(); step++) {
      assertThat(accuracies.get(step))
          .isEqualTo(golden.path("accuracies").get(step).asDouble(), within(1e-6));
    }
  }

  @ParameterizedTest
  @CsvSource({"dpo, SIGMOID, 0.1", "dpo-ipo, IPO, 0"})
  void dpo_isTrl(String name, DpoLoss.Variant variant, double smoothing) throws IOException {
    JsonNode golden = PeerSteps.golden(name);
    try (HybridEngines engines = new HybridEngines();
        RoleEngine engine =
            engines.open(PeerSteps.lora(name + "/initial", Head.LANGUAGE_MODEL, WARMUP, STEPS))) {
      double worst =
          PeerSteps.repeat(
              engine,
              new DpoObjective(variant, 0.2, smoothing),
              golden,
              golden.path("steps"),
              pair ->
                  new DpoPair(
                      PeerSteps.side(pair, "chosen"),
                      PeerSteps.side(pair, "rejected"),
                      pair.path("refChosen").asDouble(),
                      pair.path("refRejected").asDouble()));
      PeerSteps.assertSameWeights(directory, name, engine, name + "/final", worst);
    }
  }

  @Test
  void ppo_componentsAreTheFormulas() throws IOException {
    for (JsonNode round : PeerSteps.golden("ppo").path("batches")) {
      List<Floats> advantages = new ArrayList<>();
      for (JsonNode rollout : round) {
        Floats rewards =
            TokenRewards.of(
                PeerSteps.floats(rollout, "old"),
                PeerSteps.floats(rollout, "reference"),
                rollout.path("score").asDouble(),
                0.1);
        assertClose(rewards, PeerSteps.floats(rollout, "rewards"));
        Gae.Estimate estimate =
            Gae.estimate(rewards, PeerSteps.floats(rollout, "values"), 0.99, 0.95);
        assertClose(estimate.advantages(), PeerSteps.floats(rollout, "advantages"));
        assertClose(estimate.returns(), PeerSteps.floats(rollout, "returns"));
        advantages.add(estimate.advantages());
      }
      List<Floats> whitened = Whitening.CENTRED.apply(advantages, Masked.Variance.UNBIASED);
      for (int i = 0; i < whitened.size(); i++) {
        assertClose(whitened.get(i), PeerSteps.floats(round.get(i), "whitened"));
      }
    }
  }

  @Test
  void ppo_updatesAreTheFormulas() throws IOException {
    JsonNode golden = PeerSteps.golden("ppo");
    try (HybridEngines engines = new HybridEngines();
        RoleEngine policy =
            engines.open(PeerSteps.lora("ppo/policy-initial", Head.LANGUAGE_MODEL, WARMUP, STEPS));
        RoleEngine critic =
            engines.open(PeerSteps.lora("ppo/critic-initial", Head.VALUE, WARMUP, STEPS))) {
      double policyWorst =
          PeerSteps.repeat(
              policy,
              new PolicyObjective(0.2, OptionalDouble.empty(), 0),
              golden,
              golden.path("policy"),
              rollout ->
                  new PolicyExample(
                      PeerSteps.sequence(rollout),
                      PeerSteps.floats(rollout, "old"),
                      PeerSteps.floats(rollout, "whitened")));
      double criticWorst =
          PeerSteps.repeat(
              critic,
              new PpoValueObjective(0.2),
              golden,
              golden.path("critic"),
              rollout ->
                  new ValueExample(
                      PeerSteps.sequence(rollout),
                      PeerSteps.floats(rollout, "values"),
                      PeerSteps.floats(rollout, "returns")));
      PeerSteps.assertSameWeights(directory, "ppo policy", policy, "ppo/policy-final", policyWorst);
      PeerSteps.assertSameWeights(directory, "ppo critic", critic, "ppo/critic-final", criticWorst);
    }
  }

  private static SftExample text(JsonNode example) {
    return new SftExample(PeerSteps.sequence(example));
  }

  private static RankedPair ranked(JsonNode pair) {
    return RankedPair.lastToken(
        PeerSteps.tokens(pair.path("chosen")), PeerSteps.tokens(pair.path("rejected")), 0);
  }

  private static void assertClose(Floats found, Floats expected) {
    assertThat(found.values()).containsExactly(expected.values(), within(1e-5f));
  }
}
