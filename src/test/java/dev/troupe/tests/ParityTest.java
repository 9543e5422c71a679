package dev.troupe.tests;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.troupe.engine.HybridEngines;
import dev.troupe.engine.RoleEngine;
import dev.troupe.models.checkpoint.SafetensorsFile;
import dev.troupe.protocol.data.Example;
import dev.troupe.protocol.data.Floats;
import dev.troupe.protocol.data.Head;
import dev.troupe.protocol.data.LearningRateSchedule;
import dev.troupe.protocol.data.Objective;
import dev.troupe.protocol.data.OptimizerSettings;
import dev.troupe.protocol.data.RoleSpec;
import dev.troupe.protocol.data.Sequence;
import dev.troupe.protocol.data.TokenIds;
import dev.troupe.protocol.data.Tuning;
import dev.troupe.protocol.data.UpdateResult;
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
import java.util.Locale;
import java.util.Optional;
import java.util.OptionalDouble;
import java.util.function.Function;
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
  private static final Path GOLDEN = Quickstarts.ROOT.resolve("src/test/resources/parity");
  private static final double LOSSES = 1e-5;
  private static final double WEIGHTS = 1e-5;
  private static final List<String> LINEARS =
      List.of("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj");

  @TempDir Path directory;

  @Test
  void sft_lora_isPeft() throws IOException {
    JsonNode golden = golden("sft-lora");
    try (HybridEngines engines = new HybridEngines();
        RoleEngine engine = engines.open(lora("sft-lora/initial", Head.LANGUAGE_MODEL))) {
      double worst =
          repeat(
              engine,
              new SftObjective(Averaging.GLOBAL_TOKEN),
              golden,
              golden.path("steps"),
              ParityTest::text);
      assertSameWeights("sft-lora", engine, "sft-lora/final", worst);
    }
  }

  @Test
  void sft_ofEveryWeight_isTransformers() throws IOException {
    JsonNode golden = golden("sft-full");
    try (HybridEngines engines = new HybridEngines();
        RoleEngine engine =
            engines.open(spec(Optional.empty(), new Tuning.Full(), Head.LANGUAGE_MODEL))) {
      double worst =
          repeat(
              engine,
              new SftObjective(Averaging.GLOBAL_TOKEN),
              golden,
              golden.path("steps"),
              ParityTest::text);
      assertSameWeights("sft-full", engine, "sft-full/final", worst);
    }
  }

  @Test
  void rewardModel_isTrl() throws IOException {
    JsonNode golden = golden("reward");
    List<Double> accuracies = new ArrayList<>();
    try (HybridEngines engines = new HybridEngines();
        RoleEngine engine = engines.open(lora("reward/initial", Head.VALUE))) {
      double worst =
          repeat(
              engine,
              new RewardObjective(RewardObjective.Kind.LAST_TOKEN, 0.01),
              golden,
              golden.path("steps"),
              pair ->
                  RankedPair.lastToken(
                      tokens(pair.path("chosen")), tokens(pair.path("rejected")), 0),
              result -> accuracies.add(result.metrics().get("accuracy")));
      assertSameWeights("reward", engine, "reward/final", worst);
    }
    for (int step = 0; step < accuracies.size(); step++) {
      assertThat(accuracies.get(step))
          .isEqualTo(golden.path("accuracies").get(step).asDouble(), within(1e-6));
    }
  }

  @ParameterizedTest
  @CsvSource({"dpo, SIGMOID, 0.1", "dpo-ipo, IPO, 0"})
  void dpo_isTrl(String name, DpoLoss.Variant variant, double smoothing) throws IOException {
    JsonNode golden = golden(name);
    try (HybridEngines engines = new HybridEngines();
        RoleEngine engine = engines.open(lora(name + "/initial", Head.LANGUAGE_MODEL))) {
      double worst =
          repeat(
              engine,
              new DpoObjective(variant, 0.2, smoothing),
              golden,
              golden.path("steps"),
              pair ->
                  new DpoPair(
                      side(pair, "chosen"),
                      side(pair, "rejected"),
                      pair.path("refChosen").asDouble(),
                      pair.path("refRejected").asDouble()));
      assertSameWeights(name, engine, name + "/final", worst);
    }
  }

  @Test
  void ppo_componentsAreTheFormulas() throws IOException {
    for (JsonNode round : golden("ppo").path("batches")) {
      List<Floats> advantages = new ArrayList<>();
      for (JsonNode rollout : round) {
        Floats rewards =
            TokenRewards.of(
                floats(rollout, "old"),
                floats(rollout, "reference"),
                rollout.path("score").asDouble(),
                0.1);
        assertClose(rewards, floats(rollout, "rewards"));
        Gae.Estimate estimate = Gae.estimate(rewards, floats(rollout, "values"), 0.99, 0.95);
        assertClose(estimate.advantages(), floats(rollout, "advantages"));
        assertClose(estimate.returns(), floats(rollout, "returns"));
        advantages.add(estimate.advantages());
      }
      List<Floats> whitened = Whitening.CENTRED.apply(advantages, Masked.Variance.UNBIASED);
      for (int i = 0; i < whitened.size(); i++) {
        assertClose(whitened.get(i), floats(round.get(i), "whitened"));
      }
    }
  }

  @Test
  void ppo_updatesAreTheFormulas() throws IOException {
    JsonNode golden = golden("ppo");
    try (HybridEngines engines = new HybridEngines();
        RoleEngine policy = engines.open(lora("ppo/policy-initial", Head.LANGUAGE_MODEL));
        RoleEngine critic = engines.open(lora("ppo/critic-initial", Head.VALUE))) {
      double policyWorst =
          repeat(
              policy,
              new PolicyObjective(0.2, OptionalDouble.empty(), 0),
              golden,
              golden.path("policy"),
              rollout ->
                  new PolicyExample(
                      sequence(rollout), floats(rollout, "old"), floats(rollout, "whitened")));
      double criticWorst =
          repeat(
              critic,
              new PpoValueObjective(0.2),
              golden,
              golden.path("critic"),
              rollout ->
                  new ValueExample(
                      sequence(rollout), floats(rollout, "values"), floats(rollout, "returns")));
      assertSameWeights("ppo policy", policy, "ppo/policy-final", policyWorst);
      assertSameWeights("ppo critic", critic, "ppo/critic-final", criticWorst);
    }
  }

  private static <E extends Example> double repeat(
      RoleEngine engine,
      Objective<E> objective,
      JsonNode golden,
      JsonNode steps,
      Function<JsonNode, E> example) {
    return repeat(engine, objective, golden, steps, example, result -> {});
  }

  /** Every step's loss, gradient norm and learning rate; the largest difference of the losses. */
  private static <E extends Example> double repeat(
      RoleEngine engine,
      Objective<E> objective,
      JsonNode golden,
      JsonNode steps,
      Function<JsonNode, E> example,
      java.util.function.Consumer<UpdateResult> listener) {
    double worst = 0;
    assertThat(steps).isNotEmpty();
    for (int step = 0; step < steps.size(); step++) {
      List<E> batch = golden.path("batches").get(step).valueStream().map(example).toList();
      UpdateResult result = engine.update(objective, batch);
      JsonNode expected = steps.get(step);
      double loss = expected.path("loss").asDouble();
      double norm = expected.path("gradientNorm").asDouble();
      assertThat(result.loss()).as("loss of step " + step).isEqualTo(loss, within(LOSSES));
      assertThat(result.gradientNorm())
          .as("gradient norm of step " + step)
          .isEqualTo(norm, within(1e-3 * Math.max(1, norm)));
      assertThat(result.learningRate())
          .isEqualTo(expected.path("learningRate").asDouble(), within(1e-12));
      worst = Math.max(worst, Math.abs(result.loss() - loss));
      listener.accept(result);
    }
    return worst;
  }

  private void assertSameWeights(String name, RoleEngine engine, String expected, double losses)
      throws IOException {
    Path saved = directory.resolve(name.replace(' ', '-'));
    engine.save(saved);
    Path peers = GOLDEN.resolve(expected);
    String file =
        peers.resolve("adapter_model.safetensors").toFile().exists()
            ? "adapter_model.safetensors"
            : "model.safetensors";
    double worst = 0;
    try (SafetensorsFile ours = SafetensorsFile.open(saved.resolve(file));
        SafetensorsFile theirs = SafetensorsFile.open(peers.resolve(file))) {
      assertThat(ours.names()).containsExactlyInAnyOrderElementsOf(theirs.names());
      for (String tensor : theirs.names()) {
        float[] a = ours.floats(tensor);
        float[] b = theirs.floats(tensor);
        assertThat(a).as(tensor).hasSameSizeAs(b);
        for (int i = 0; i < a.length; i++) {
          assertThat(a[i]).as(tensor + " " + i).isEqualTo(b[i], within((float) WEIGHTS));
          worst = Math.max(worst, Math.abs(a[i] - b[i]));
        }
      }
    }
    System.out.printf(
        Locale.ROOT, "parity %s: losses %.1e, final weights %.1e%n", name, losses, worst);
  }

  private static RoleSpec lora(String adapter, Head head) {
    return spec(
        Optional.of(GOLDEN.resolve(adapter).toString()), new Tuning.Lora(4, 8, LINEARS), head);
  }

  private static RoleSpec spec(Optional<String> adapter, Tuning tuning, Head head) {
    return new RoleSpec(
        "policy",
        GOLDEN.resolve("model").toString(),
        adapter,
        tuning,
        head,
        Optional.of(
            new OptimizerSettings(
                new LearningRateSchedule(LearningRateSchedule.Shape.COSINE, 1e-2, 4, 20),
                0.9,
                0.999,
                1e-8,
                0.01,
                1,
                0)),
        1,
        Optional.empty(),
        0);
  }

  private static SftExample text(JsonNode example) {
    return new SftExample(sequence(example));
  }

  private static Sequence sequence(JsonNode example) {
    return Sequence.ofTargets(tokens(example.path("tokens")), example.path("prompt").asInt());
  }

  private static Sequence side(JsonNode pair, String side) {
    return Sequence.ofTargets(tokens(pair.path(side)), pair.path("prompt").asInt());
  }

  private static TokenIds tokens(JsonNode array) {
    return new TokenIds(array.valueStream().mapToInt(JsonNode::asInt).toArray());
  }

  private static Floats floats(JsonNode rollout, String key) {
    JsonNode array = rollout.path(key);
    float[] values = new float[array.size()];
    for (int i = 0; i < values.length; i++) {
      values[i] = array.get(i).floatValue();
    }
    return new Floats(values);
  }

  private static void assertClose(Floats found, Floats expected) {
    assertThat(found.values()).containsExactly(expected.values(), within(1e-5f));
  }

  private static JsonNode golden(String name) throws IOException {
    return new ObjectMapper().readTree(GOLDEN.resolve(name).resolve("steps.json").toFile());
  }
}
