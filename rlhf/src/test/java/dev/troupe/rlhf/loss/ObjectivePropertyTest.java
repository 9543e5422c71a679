package dev.troupe.rlhf.loss;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import dev.troupe.protocol.data.BatchTotals;
import dev.troupe.protocol.data.Example;
import dev.troupe.protocol.data.Floats;
import dev.troupe.protocol.data.LossGradient;
import dev.troupe.protocol.data.Objective;
import dev.troupe.protocol.data.Sequence;
import dev.troupe.protocol.data.TokenGradients;
import dev.troupe.protocol.data.TokenOutputs;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.OptionalDouble;
import java.util.SplittableRandom;
import net.jqwik.api.Arbitraries;
import net.jqwik.api.Arbitrary;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.Provide;

/**
 * Every objective's gradient against finite differences, and its sums over micro-batches. Inputs
 * and steps are multiples of 2⁻¹², so the differences of float inputs are exact; the five-point
 * stencil then errs by about h⁴/30 = 5e-13 times the fifth derivative.
 */
class ObjectivePropertyTest {
  private static final float STEP = 1f / 512;
  private static final double TOLERANCE = 1e-6;

  /** An objective with a way to make examples for it. */
  private record Case<E extends Example>(String name, Objective<E> objective, Maker<E> maker) {
    @Override
    public String toString() {
      return name;
    }
  }

  /** Makes an example away from the kinks of its loss, and the outputs of its sequences. */
  private interface Maker<E> {
    E make(SplittableRandom random, List<TokenOutputs> outputs);
  }

  @Provide
  static Arbitrary<Case<?>> cases() {
    List<Case<?>> cases = new ArrayList<>();
    for (Averaging averaging : Averaging.values()) {
      cases.add(
          new Case<>(
              "sft " + averaging, new SftObjective(averaging, 1.5), ObjectivePropertyTest::sft));
      for (OptionalDouble dual : List.of(OptionalDouble.empty(), OptionalDouble.of(3))) {
        cases.add(policyCase(new PolicyObjective(.2, dual, .1, averaging, 20)));
      }
      cases.add(
          new Case<>(
              "value " + averaging,
              new PpoValueObjective(.2, averaging),
              ObjectivePropertyTest::value));
    }
    Surrogate clipHigher = new Surrogate.Clip(.2, .28, OptionalDouble.of(3));
    for (Ratio ratio : Ratio.values()) {
      for (Surrogate surrogate :
          List.of(clipHigher, new Surrogate.Sapo(1, 1.05), new Surrogate.ImportanceSampling())) {
        cases.add(
            policyCase(
                new PolicyObjective(
                    ratio,
                    surrogate,
                    new KlTerm(.3, Kl.K3, KlTerm.Gradient.ESTIMATE),
                    0,
                    Averaging.SEQUENCE,
                    20)));
      }
    }
    cases.add(
        policyCase(
            new PolicyObjective(
                Ratio.TOKEN,
                clipHigher,
                new KlTerm(.3, Kl.K2, KlTerm.Gradient.DIVERGENCE),
                0,
                Averaging.GLOBAL_TOKEN,
                20)));
    cases.add(
        policyCase(
            new PolicyObjective(
                Ratio.TOKEN,
                clipHigher,
                new KlTerm(.3, Kl.K3, KlTerm.Gradient.CORRECTED),
                0,
                Averaging.SEQUENCE,
                20)));
    cases.add(
        new Case<>(
            "reward last token",
            new RewardObjective(RewardObjective.Kind.LAST_TOKEN, .01),
            (random, outputs) -> ranked(random, outputs, false)));
    cases.add(
        new Case<>(
            "reward token-wise",
            new RewardObjective(RewardObjective.Kind.TOKEN_WISE, 0),
            (random, outputs) -> ranked(random, outputs, true)));
    for (DpoLoss.Variant variant : DpoLoss.Variant.values()) {
      double margin = variant.hasMargin() ? .5 : 0;
      cases.add(
          new Case<>(
              "dpo " + variant,
              new DpoObjective(variant, .3, variant.smooths() ? .1 : 0, margin, .7),
              ObjectivePropertyTest::dpo));
    }
    cases.add(new Case<>("orpo", new OrpoObjective(.3), ObjectivePropertyTest::orpo));
    cases.add(new Case<>("kto", new KtoObjective(.3, 1.2, .8, .2, .7), ObjectivePropertyTest::kto));
    for (ScoreObjective.Kind kind : ScoreObjective.Kind.values()) {
      cases.add(
          new Case<>(
              "score " + kind,
              new ScoreObjective(kind, Averaging.GLOBAL_TOKEN),
              ObjectivePropertyTest::scored));
    }
    return Arbitraries.of(cases);
  }

  @Property(tries = 400)
  void gradient_anyObjective_equalsFiniteDifferences(
      @ForAll("cases") Case<?> objective, @ForAll long seed) {
    checkGradient(objective, seed);
  }

  @Property(tries = 200)
  void evaluate_splitIntoMicroBatches_addsUp(
      @ForAll("cases") Case<?> objective, @ForAll long seed) {
    if (!objective.name().contains(Averaging.MICRO_BATCH.name())) {
      checkSplit(objective, seed);
    }
  }

  private static <E extends Example> void checkGradient(Case<E> tested, long seed) {
    SplittableRandom random = new SplittableRandom(seed);
    Batch<E> batch = Batch.make(tested, random, 1 + random.nextInt(4));
    LossGradient result = batch.evaluate();
    for (int e = 0; e < batch.examples.size(); e++) {
      for (int s = 0; s < batch.outputs.get(e).size(); s++) {
        TokenOutputs output = batch.outputs.get(e).get(s);
        TokenGradients gradient = result.gradients().get(e).get(s);
        String where = tested + ", seed " + seed + ", example " + e + ", sequence " + s;
        batch.checkVector(where + " logprobs", output.logprobs(), gradient.logprobs());
        batch.checkVector(where + " entropies", output.entropies(), gradient.entropies());
        batch.checkVector(where + " values", output.values(), gradient.values());
      }
    }
  }

  private static <E extends Example> void checkSplit(Case<E> tested, long seed) {
    SplittableRandom random = new SplittableRandom(seed);
    Batch<E> batch = Batch.make(tested, random, 2 + random.nextInt(6));
    LossGradient whole = batch.evaluate();
    double loss = 0;
    Map<String, Double> metrics = new HashMap<>();
    List<List<TokenGradients>> gradients = new ArrayList<>();
    for (int from = 0; from < batch.examples.size(); ) {
      int to = Math.min(batch.examples.size(), from + 1 + random.nextInt(3));
      LossGradient part =
          tested
              .objective()
              .evaluate(
                  batch.examples.subList(from, to), batch.outputs.subList(from, to), batch.totals);
      loss += part.loss();
      part.metrics().forEach((name, value) -> metrics.merge(name, value, Double::sum));
      gradients.addAll(part.gradients());
      from = to;
    }
    assertThat(loss)
        .as("seed %d", seed)
        .isCloseTo(whole.loss(), within(1e-12 + 1e-12 * Math.abs(loss)));
    assertThat(gradients).as("seed %d", seed).isEqualTo(whole.gradients());
    assertThat(metrics.keySet()).isEqualTo(whole.metrics().keySet());
    whole
        .metrics()
        .forEach(
            (name, value) -> assertThat(metrics.get(name)).as(name).isCloseTo(value, within(1e-9)));
  }

  /** Examples and what a model said of them. */
  private static final class Batch<E extends Example> {
    private final Objective<E> objective;
    private final List<E> examples = new ArrayList<>();
    private final List<List<TokenOutputs>> outputs = new ArrayList<>();
    private BatchTotals totals = new BatchTotals(0, 0);

    private Batch(Objective<E> objective) {
      this.objective = objective;
    }

    private static <E extends Example> Batch<E> make(
        Case<E> made, SplittableRandom random, int size) {
      Batch<E> batch = new Batch<>(made.objective());
      long reads = 0;
      for (int i = 0; i < size; i++) {
        List<TokenOutputs> outputs = new ArrayList<>();
        E example = made.maker().make(random, outputs);
        batch.examples.add(example);
        batch.outputs.add(outputs);
        reads += example.sequences().stream().mapToLong(s -> s.reads().size()).sum();
      }
      batch.totals = new BatchTotals(size, reads);
      return batch;
    }

    private LossGradient evaluate() {
      return objective.evaluate(examples, outputs, totals);
    }

    private void checkVector(String where, Floats numbers, Floats gradient) {
      for (int i = 0; i < numbers.size(); i++) {
        double analytic = gradient.size() == 0 ? 0 : gradient.get(i);
        double numeric = derivative(numbers.values(), i);
        assertThat(analytic)
            .as("%s[%d] of %s", where, i, numbers)
            .isCloseTo(numeric, within(TOLERANCE * (1 + Math.abs(numeric))));
      }
    }

    private double derivative(float[] numbers, int index) {
      float kept = numbers[index];
      double[] losses = new double[4];
      float[] steps = {2 * STEP, STEP, -STEP, -2 * STEP};
      for (int k = 0; k < steps.length; k++) {
        numbers[index] = kept + steps[k];
        losses[k] = evaluate().loss();
      }
      numbers[index] = kept;
      return (-losses[0] + 8 * losses[1] - 8 * losses[2] + losses[3]) / (12 * STEP);
    }
  }

  private static SftExample sft(SplittableRandom random, List<TokenOutputs> outputs) {
    int reads = random.nextInt(6);
    outputs.add(new TokenOutputs(Samples.logprobs(random, reads), Floats.EMPTY, Floats.EMPTY));
    return new SftExample(Samples.sequence(reads));
  }

  private static Case<PolicyExample> policyCase(PolicyObjective objective) {
    return new Case<>(
        objective.toString(), objective, (random, outputs) -> policy(objective, random, outputs));
  }

  private static PolicyExample policy(
      PolicyObjective objective, SplittableRandom random, List<TokenOutputs> outputs) {
    int reads = random.nextInt(6);
    Floats logprobs = Samples.logprobs(random, reads);
    Floats advantages = Samples.normal(random, reads, 2);
    Floats old;
    do {
      float[] drawn = new float[reads];
      for (int t = 0; t < reads; t++) {
        drawn[t] = logprobs.get(t) - Samples.onGrid(random.nextGaussian() * .8);
      }
      old = new Floats(drawn);
    } while (policyKink(objective, logprobs, old, advantages));
    outputs.add(new TokenOutputs(logprobs, Samples.normal(random, reads, 1), Floats.EMPTY));
    double length = objective.averaging() == Averaging.SEQUENCE ? reads + random.nextInt(5) : reads;
    return new PolicyExample(
        Samples.sequence(reads), old, advantages, Samples.logprobs(random, reads), length);
  }

  /** Whether some token's loss has a kink within a few steps. */
  private static boolean policyKink(
      PolicyObjective objective, Floats logprobs, Floats old, Floats advantages) {
    int reads = logprobs.size();
    double sum = 0;
    for (int t = 0; t < reads; t++) {
      sum += (double) logprobs.get(t) - old.get(t);
    }
    for (int t = 0; t < reads; t++) {
      double logRatio =
          objective.ratio() == Ratio.TOKEN
              ? (double) logprobs.get(t) - old.get(t)
              : sum * objective.ratio().slope(reads);
      double advantage = advantages.get(t);
      boolean below =
          objective.surrogate().of(0, Math.exp(logRatio - 3 * STEP), advantage).clipped();
      boolean above =
          objective.surrogate().of(0, Math.exp(logRatio + 3 * STEP), advantage).clipped();
      if (below != above) {
        return true;
      }
    }
    return false;
  }

  private static ValueExample value(SplittableRandom random, List<TokenOutputs> outputs) {
    int reads = random.nextInt(6);
    Floats values = Samples.normal(random, reads, 1);
    Floats returns = Samples.normal(random, reads, 1);
    float[] old = new float[reads];
    for (int t = 0; t < reads; t++) {
      do {
        old[t] = values.get(t) + Samples.onGrid(random.nextGaussian() * .3);
      } while (PpoValueLoss.of(values.get(t) - 3 * STEP, old[t], returns.get(t), .2).clipped()
          != PpoValueLoss.of(values.get(t) + 3 * STEP, old[t], returns.get(t), .2).clipped());
    }
    outputs.add(new TokenOutputs(Floats.EMPTY, Floats.EMPTY, values));
    return new ValueExample(Samples.sequence(reads), new Floats(old), returns);
  }

  private static RankedPair ranked(
      SplittableRandom random, List<TokenOutputs> outputs, boolean sameReads) {
    int reads = 1 + random.nextInt(4);
    int others = sameReads ? reads : 1 + random.nextInt(4);
    outputs.add(new TokenOutputs(Floats.EMPTY, Floats.EMPTY, Samples.normal(random, reads, 2)));
    outputs.add(new TokenOutputs(Floats.EMPTY, Floats.EMPTY, Samples.normal(random, others, 2)));
    Sequence chosen = Samples.sequence(reads);
    Sequence rejected = Samples.sequence(others);
    int from = sameReads ? random.nextInt(reads) : 0;
    return new RankedPair(chosen, rejected, random.nextDouble(), from, reads - 1, others - 1);
  }

  private static DpoPair dpo(SplittableRandom random, List<TokenOutputs> outputs) {
    int reads = random.nextInt(5);
    int others = random.nextInt(5);
    Floats chosen = Samples.logprobs(random, reads);
    Floats rejected = Samples.logprobs(random, others);
    outputs.add(new TokenOutputs(chosen, Floats.EMPTY, Floats.EMPTY));
    outputs.add(new TokenOutputs(rejected, Floats.EMPTY, Floats.EMPTY));
    double sum =
        Masked.sum(chosen, Samples.allTrue(reads)) - Masked.sum(rejected, Samples.allTrue(others));
    double difference;
    do {
      difference = random.nextGaussian() * 3;
    } while (Math.abs(1.5 - .3 * difference) < .01); // the hinge's kink
    return new DpoPair(
        Samples.sequence(reads),
        Samples.sequence(others),
        sum - difference - 1,
        -1,
        1 + random.nextInt(4));
  }

  private static OrpoPair orpo(SplittableRandom random, List<TokenOutputs> outputs) {
    int answer = 1 + random.nextInt(4);
    int from = random.nextInt(3);
    int others = 1 + random.nextInt(4);
    // Away from certainty, near which the odds' derivatives grow without bound.
    for (int reads : new int[] {from + answer, others}) {
      float[] logprobs = Samples.logprobs(random, reads).values();
      for (int t = 0; t < reads; t++) {
        logprobs[t] -= .5f;
      }
      outputs.add(Samples.logprobs(logprobs));
    }
    return new OrpoPair(
        Samples.sequence(from + answer), Samples.sequence(others), from, 1 + random.nextInt(4));
  }

  private static KtoExample kto(SplittableRandom random, List<TokenOutputs> outputs) {
    int reads = random.nextInt(5);
    outputs.add(new TokenOutputs(Samples.logprobs(random, reads), Floats.EMPTY, Floats.EMPTY));
    return new KtoExample(Samples.sequence(reads), random.nextBoolean(), -8 * random.nextDouble());
  }

  private static ScoredExample scored(SplittableRandom random, List<TokenOutputs> outputs) {
    int reads = random.nextInt(5);
    outputs.add(new TokenOutputs(Floats.EMPTY, Floats.EMPTY, Samples.normal(random, reads, 2)));
    float[] targets = new float[reads];
    for (int t = 0; t < reads; t++) {
      targets[t] = (float) random.nextDouble();
    }
    return new ScoredExample(Samples.sequence(reads), new Floats(targets));
  }
}
