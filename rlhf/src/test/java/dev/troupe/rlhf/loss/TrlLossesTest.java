package dev.troupe.rlhf.loss;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.troupe.protocol.data.BatchTotals;
import dev.troupe.protocol.data.Example;
import dev.troupe.protocol.data.Floats;
import dev.troupe.protocol.data.LossGradient;
import dev.troupe.protocol.data.Objective;
import dev.troupe.protocol.data.TokenGradients;
import dev.troupe.protocol.data.TokenOutputs;
import java.io.IOException;
import java.io.InputStream;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.OptionalDouble;
import java.util.Set;
import java.util.TreeSet;
import org.junit.jupiter.api.Test;

/**
 * Losses and gradients are those of TRL 1.16's own functions (rlhf/src/test/golden) on four rows of
 * five, three, six and one tokens; for pairs the first two rows are chosen, the others rejected.
 */
class TrlLossesTest {
  /** Gradients are floats; losses differ by rounding in another order alone. */
  private static final double LOSS = 1e-9;

  private static final double GRADIENT = 1e-7;
  private static final double BETA = .3;

  private final JsonNode golden;
  private final List<Floats> logprobs;
  private final List<Floats> old;
  private final List<Floats> reference;

  TrlLossesTest() throws IOException {
    try (InputStream file = TrlLossesTest.class.getResourceAsStream("trl-losses.json")) {
      golden = new ObjectMapper().readTree(file);
    }
    logprobs = rows(golden.path("logprobs"));
    old = rows(golden.path("oldLogprobs"));
    reference = rows(golden.path("refLogprobs"));
  }

  private static List<Floats> rows(JsonNode rows) {
    List<Floats> all = new ArrayList<>();
    for (JsonNode row : rows) {
      float[] values = new float[row.size()];
      for (int t = 0; t < values.length; t++) {
        values[t] = (float) row.get(t).asDouble();
      }
      all.add(new Floats(values));
    }
    return all;
  }

  private static double sum(Floats values) {
    return Masked.sum(values, Samples.allTrue(values.size()));
  }

  @Test
  void everyCase_hasTrlsLossAndGradient() {
    Set<String> done = new TreeSet<>();
    policies().forEach((name, objective) -> checkPolicy(name, objective, done));
    checkPairs(done);
    checkOrpo(done);
    checkKto(done);
    Set<String> names = new HashSet<>();
    golden.path("cases").fieldNames().forEachRemaining(names::add);
    assertThat(done).isEqualTo(names).hasSizeGreaterThan(20);
  }

  private static Map<String, PolicyObjective> policies() {
    Surrogate ppo = new Surrogate.Clip(.2, .2, OptionalDouble.empty());
    KlTerm k3 = new KlTerm(.3, Kl.K3, KlTerm.Gradient.ESTIMATE);
    Map<String, PolicyObjective> policies = new LinkedHashMap<>();
    policies.put("grpo", sequences(Ratio.TOKEN, ppo, KlTerm.NONE));
    policies.put("grpo-kl", sequences(Ratio.TOKEN, ppo, k3));
    KlTerm corrected = new KlTerm(.3, Kl.K3, KlTerm.Gradient.CORRECTED);
    policies.put("grpo-kl-corrected", sequences(Ratio.TOKEN, ppo, corrected));
    policies.put(
        "dapo-kl-corrected",
        new PolicyObjective(
            Ratio.TOKEN,
            new Surrogate.Clip(.2, .28, OptionalDouble.empty()),
            corrected,
            0,
            Averaging.GLOBAL_TOKEN,
            20));
    policies.put("dapo", tokens(new Surrogate.Clip(.2, .28, OptionalDouble.empty())));
    policies.put("dapo-two-sided", tokens(new Surrogate.Clip(.2, .28, OptionalDouble.of(1.3))));
    policies.put("dr-grpo", sequences(Ratio.TOKEN, ppo, KlTerm.NONE));
    policies.put(
        "gspo",
        sequences(
            Ratio.SEQUENCE_MEAN, new Surrogate.Clip(.05, .1, OptionalDouble.empty()), KlTerm.NONE));
    policies.put("cispo", tokens(new Surrogate.Cispo(1.1)));
    policies.put("sapo", sequences(Ratio.TOKEN, new Surrogate.Sapo(1, 1.25), KlTerm.NONE));
    policies.put("rloo", sequences(Ratio.SEQUENCE, ppo, KlTerm.NONE));
    return policies;
  }

  private static PolicyObjective sequences(Ratio ratio, Surrogate surrogate, KlTerm kl) {
    return new PolicyObjective(ratio, surrogate, kl, 0, Averaging.SEQUENCE, 20);
  }

  private static PolicyObjective tokens(Surrogate surrogate) {
    return new PolicyObjective(Ratio.TOKEN, surrogate, KlTerm.NONE, 0, Averaging.GLOBAL_TOKEN, 20);
  }

  private void checkPolicy(String name, PolicyObjective objective, Set<String> done) {
    List<PolicyExample> examples = new ArrayList<>();
    for (int i = 0; i < logprobs.size(); i++) {
      int reads = logprobs.get(i).size();
      float[] advantages = new float[reads];
      Arrays.fill(advantages, (float) golden.path("advantages").get(i).asDouble());
      double length = name.equals("dr-grpo") ? 8 : reads;
      examples.add(
          new PolicyExample(
              Samples.sequence(reads),
              old.get(i),
              new Floats(advantages),
              reference.get(i),
              length));
    }
    check(name, objective, examples, logprobs.stream().map(List::of).toList(), done);
  }

  private void checkPairs(Set<String> done) {
    for (DpoLoss.Variant variant : DpoLoss.Variant.values()) {
      String name =
          switch (variant) {
            case SIGMOID -> "dpo-sigmoid";
            case SIGMOID_MEAN -> "dpo-sigmoid-norm";
            case ROBUST -> "dpo-robust";
            case HINGE -> "dpo-hinge";
            case IPO -> "dpo-ipo";
            case IPO_SUM -> ""; // OpenRLHF's
          };
      if (!name.isEmpty()) {
        double smoothing = variant == DpoLoss.Variant.ROBUST ? .1 : 0;
        checkPairs(name, new DpoObjective(variant, BETA, smoothing, 0, 0), true, done);
      }
    }
    DpoLoss.Variant sigmoid = DpoLoss.Variant.SIGMOID;
    DpoLoss.Variant mean = DpoLoss.Variant.SIGMOID_MEAN;
    checkPairs("dpo-sigmoid-sft", new DpoObjective(sigmoid, BETA, 0, 0, .7), true, done);
    checkPairs("cpo", new DpoObjective(sigmoid, BETA, .1, 0, 1), false, done);
    checkPairs("cpo-hinge", new DpoObjective(DpoLoss.Variant.HINGE, BETA, 0, 0, .5), false, done);
    checkPairs("simpo", new DpoObjective(mean, BETA, 0, .5, 0), false, done);
    checkPairs("simpo-nll", new DpoObjective(mean, BETA, 0, .5, 1), false, done);
  }

  private void checkPairs(
      String name, DpoObjective objective, boolean referenced, Set<String> done) {
    List<DpoPair> pairs = new ArrayList<>();
    for (int i = 0; i < 2; i++) {
      pairs.add(
          new DpoPair(
              Samples.sequence(logprobs.get(i).size()),
              Samples.sequence(logprobs.get(i + 2).size()),
              referenced ? sum(reference.get(i)) : 0,
              referenced ? sum(reference.get(i + 2)) : 0,
              4)); // the mean of 5 and 3: TRL's mean is over the batch's tokens
    }
    check(name, objective, pairs, sides(), done);
  }

  private List<List<Floats>> sides() {
    return List.of(
        List.of(logprobs.get(0), logprobs.get(2)), List.of(logprobs.get(1), logprobs.get(3)));
  }

  private void checkOrpo(Set<String> done) {
    List<OrpoPair> pairs =
        List.of(
            new OrpoPair(Samples.sequence(5), Samples.sequence(6), 2, 4),
            new OrpoPair(Samples.sequence(3), Samples.sequence(1), 1, 4));
    LossGradient result = check("orpo", new OrpoObjective(BETA), pairs, sides(), done);
    assertThat(result.metrics().get("logOdds"))
        .isCloseTo(golden.at("/cases/orpo/logOdds").asDouble(), within(LOSS));
  }

  private void checkKto(Set<String> done) {
    List<Double> mismatched = new ArrayList<>();
    golden.at("/cases/kto/mismatchedLogRatios").forEach(one -> mismatched.add(one.asDouble()));
    List<KtoExample> examples = new ArrayList<>();
    for (int i = 0; i < logprobs.size(); i++) {
      examples.add(
          new KtoExample(
              Samples.sequence(logprobs.get(i).size()), i % 2 == 0, sum(reference.get(i))));
    }
    check(
        "kto",
        new KtoObjective(BETA, 1.2, .8, KtoObjective.referencePoint(mismatched), 0),
        examples,
        logprobs.stream().map(List::of).toList(),
        done);
  }

  private <E extends Example> LossGradient check(
      String name,
      Objective<E> objective,
      List<E> examples,
      List<List<Floats>> logprobs,
      Set<String> done) {
    JsonNode expected = golden.path("cases").path(name);
    List<List<TokenOutputs>> outputs =
        logprobs.stream()
            .map(rows -> rows.stream().map(row -> Samples.logprobs(row.values())).toList())
            .toList();
    LossGradient result =
        objective.evaluate(examples, outputs, new BatchTotals(examples.size(), 15));
    assertThat(result.loss()).as(name).isCloseTo(expected.path("loss").asDouble(), within(LOSS));
    // Rows 0 and 2 are the two sides of the first pair, where there are pairs.
    List<Floats> gradients = new ArrayList<>();
    int sides = result.gradients().get(0).size();
    for (int side = 0; side < sides; side++) {
      for (List<TokenGradients> example : result.gradients()) {
        gradients.add(example.get(side).logprobs());
      }
    }
    List<Floats> expectedGradients = rows(expected.path("gradient"));
    for (int i = 0; i < gradients.size(); i++) {
      for (int t = 0; t < gradients.get(i).size(); t++) {
        assertThat((double) gradients.get(i).get(t))
            .as("%s, row %d, token %d", name, i, t)
            .isCloseTo(expectedGradients.get(i).get(t), within(GRADIENT));
      }
    }
    done.add(name);
    return result;
  }
}
