package dev.troupe.tests;

import com.fasterxml.jackson.databind.JsonNode;
import dev.troupe.engine.HybridEngines;
import dev.troupe.engine.RoleEngine;
import dev.troupe.protocol.data.Head;
import dev.troupe.protocol.data.Output;
import dev.troupe.protocol.data.RoleSpec;
import dev.troupe.protocol.data.Sequence;
import dev.troupe.protocol.data.TokenOutputs;
import dev.troupe.rlhf.loss.DpoLoss;
import dev.troupe.rlhf.loss.DpoObjective;
import dev.troupe.rlhf.loss.DpoPair;
import dev.troupe.rlhf.loss.KtoExample;
import dev.troupe.rlhf.loss.KtoObjective;
import dev.troupe.rlhf.loss.OrpoObjective;
import dev.troupe.rlhf.loss.OrpoPair;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/**
 * The real engine repeats ten steps of the trainers of TRL 1.16 that learn from preferences
 * (src/test/golden/parity/make_preferences.py). Prints the largest differences, which
 * docs/parity.md lists.
 */
class PreferenceParityTest {
  private static final int STEPS = 10;
  private static final int WARMUP = 2;

  @TempDir Path directory;

  @ParameterizedTest
  @CsvSource({
    "dpo-robust, ROBUST, 0.2, 0.1, 0, 0, true",
    "dpo-hinge, HINGE, 0.2, 0, 0, 0, true",
    "dpo-norm, SIGMOID_MEAN, 2, 0, 0, 0, true",
    "dpo-sft, SIGMOID, 0.2, 0, 0, 0.3, true",
    "cpo, SIGMOID, 0.2, 0, 0, 0.7, false",
    "simpo, SIGMOID_MEAN, 2, 0, 0.5, 0, false"
  })
  void pairs_areTrl(
      String name,
      DpoLoss.Variant variant,
      double beta,
      double smoothing,
      double margin,
      double sft,
      boolean reference)
      throws IOException {
    JsonNode golden = PeerSteps.golden(name);
    try (HybridEngines engines = new HybridEngines();
        RoleEngine engine = engines.open(initial(name))) {
      double worst =
          PeerSteps.repeat(
              engine,
              batch -> new DpoObjective(variant, beta, smoothing, margin, sft),
              golden,
              golden.path("steps"),
              batch -> pairs(batch, reference),
              result -> {});
      PeerSteps.assertSameWeights(directory, name, engine, name + "/final", worst);
    }
  }

  @Test
  void orpo_isTrl() throws IOException {
    JsonNode golden = PeerSteps.golden("orpo");
    try (HybridEngines engines = new HybridEngines();
        RoleEngine engine = engines.open(initial("orpo"))) {
      double worst =
          PeerSteps.repeat(
              engine,
              batch -> new OrpoObjective(0.3),
              golden,
              golden.path("steps"),
              PreferenceParityTest::imitated,
              result -> {});
      PeerSteps.assertSameWeights(directory, "orpo", engine, "orpo/final", worst);
    }
  }

  @Test
  void kto_isTrl() throws IOException {
    JsonNode golden = PeerSteps.golden("kto");
    try (HybridEngines engines = new HybridEngines();
        RoleEngine engine = engines.open(initial("kto"))) {
      double worst =
          PeerSteps.repeat(
              engine,
              batch -> new KtoObjective(0.2, 1, 1.3, referencePoint(engine, batch), 0),
              golden,
              golden.path("steps"),
              batch ->
                  batch
                      .valueStream()
                      .map(
                          answer ->
                              new KtoExample(
                                  PeerSteps.sequence(answer),
                                  answer.path("desirable").asBoolean(),
                                  answer.path("reference").asDouble()))
                      .toList(),
              result -> {});
      PeerSteps.assertSameWeights(directory, "kto", engine, "kto/final", worst);
    }
  }

  private static double referencePoint(RoleEngine engine, JsonNode batch) {
    List<Sequence> mismatched =
        batch.valueStream().map(answer -> PeerSteps.side(answer, "mismatched")).toList();
    List<TokenOutputs> outputs = engine.evaluate(mismatched, Set.of(Output.LOGPROBS));
    List<Double> ratios = new ArrayList<>();
    for (int i = 0; i < outputs.size(); i++) {
      double sum = 0;
      for (float logprob : outputs.get(i).logprobs().values()) {
        sum += logprob;
      }
      ratios.add(sum - batch.get(i).path("refMismatched").asDouble());
    }
    return KtoObjective.referencePoint(ratios);
  }

  /** The SFT term as a mean over the step's tokens. */
  private static List<DpoPair> pairs(JsonNode batch, boolean reference) {
    double length =
        batch
            .valueStream()
            .mapToInt(pair -> PeerSteps.side(pair, "chosen").reads().size())
            .average()
            .orElseThrow();
    return batch
        .valueStream()
        .map(
            pair ->
                new DpoPair(
                    PeerSteps.side(pair, "chosen"),
                    PeerSteps.side(pair, "rejected"),
                    reference ? pair.path("refChosen").asDouble() : 0,
                    reference ? pair.path("refRejected").asDouble() : 0,
                    length))
        .toList();
  }

  /** Prompt and chosen answer to imitate, as a mean over the step's tokens. */
  private static List<OrpoPair> imitated(JsonNode batch) {
    double length =
        batch
            .valueStream()
            .mapToInt(pair -> pair.path("chosen").size() - 1)
            .average()
            .orElseThrow();
    return batch
        .valueStream()
        .map(
            pair ->
                new OrpoPair(
                    Sequence.ofTargets(PeerSteps.tokens(pair.path("chosen")), 1),
                    PeerSteps.side(pair, "rejected"),
                    pair.path("prompt").asInt() - 1,
                    length))
        .toList();
  }

  private static RoleSpec initial(String name) {
    return PeerSteps.lora(name + "/initial", Head.LANGUAGE_MODEL, WARMUP, STEPS);
  }
}
