package dev.troupe.rlhf.loss;

import dev.troupe.protocol.data.BatchTotals;
import dev.troupe.protocol.data.Floats;
import dev.troupe.protocol.data.LossGradient;
import dev.troupe.protocol.data.Objective;
import dev.troupe.protocol.data.Output;
import dev.troupe.protocol.data.TokenGradients;
import dev.troupe.protocol.data.TokenOutputs;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.OptionalDouble;
import java.util.Set;

/**
 * The policy's loss of PPO, GRPO and their relatives: mean of a {@link Surrogate}, plus a KL term,
 * less an entropy bonus.
 *
 * <pre>  loss = mean(L_t) + β · mean(KL_t) − entropyCoefficient · mean(H_t)</pre>
 *
 * Which algorithm it is depends on these parts and on where the advantages come from;
 * docs/algorithms.md names them.
 *
 * @param ratio of a token or of a sequence; the latter needs {@link Averaging#SEQUENCE}
 * @param kl {@link KlTerm#NONE} for none, and then examples carry no reference
 * @param entropyCoefficient 0 for no bonus, and then entropies are not asked for
 * @param averaging over which tokens the mean is taken
 * @param logRatioLimit guard of the exponents, of ρ and of the KL estimate: past it a token gives
 *     no gradient through them; 20 in OpenRLHF and verl, infinite for none
 */
public record PolicyObjective(
    Ratio ratio,
    Surrogate surrogate,
    KlTerm kl,
    double entropyCoefficient,
    Averaging averaging,
    double logRatioLimit)
    implements Objective<PolicyExample> {
  /** That of OpenRLHF and verl. */
  public static final double LOG_RATIO_LIMIT = 20;

  public PolicyObjective {
    Limit.above("logRatioLimit", logRatioLimit, 0);
    if (ratio != Ratio.TOKEN && averaging != Averaging.SEQUENCE) {
      throw new IllegalArgumentException(
          "the ratio is one of a whole sequence ("
              + ratio
              + ") and the averaging is "
              + averaging
              + ", which would count a sequence once per token; choose SEQUENCE");
    }
    if (ratio != Ratio.TOKEN
        && kl.coefficient() > 0
        && kl.gradient() == KlTerm.Gradient.CORRECTED) {
      throw new IllegalArgumentException(
          "the KL term is corrected by the ratio of each token, and the ratio is one of a whole"
              + " sequence ("
              + ratio
              + "); choose TOKEN, or another gradient of the KL term");
    }
  }

  /** PPO: one clip for both sides, ratios of tokens, no KL term. */
  public PolicyObjective(
      double clipEpsilon,
      OptionalDouble dualClip,
      double entropyCoefficient,
      Averaging averaging,
      double logRatioLimit) {
    this(
        Ratio.TOKEN,
        new Surrogate.Clip(clipEpsilon, clipEpsilon, dualClip),
        KlTerm.NONE,
        entropyCoefficient,
        averaging,
        logRatioLimit);
  }

  /** PPO averaged over all tokens of the step, with the exponent kept within ±20. */
  public PolicyObjective(double clipEpsilon, OptionalDouble dualClip, double entropyCoefficient) {
    this(clipEpsilon, dualClip, entropyCoefficient, Averaging.GLOBAL_TOKEN, LOG_RATIO_LIMIT);
  }

  @Override
  public Set<Output> needs() {
    return entropyCoefficient == 0
        ? Set.of(Output.LOGPROBS)
        : Set.of(Output.LOGPROBS, Output.ENTROPIES);
  }

  @Override
  public boolean comparesWithSampling() {
    return true;
  }

  @Override
  public LossGradient evaluate(
      List<PolicyExample> examples, List<List<TokenOutputs>> outputs, BatchTotals totals) {
    Shapes.outputs(examples.size(), outputs.size());
    long microBatchReads = 0;
    for (PolicyExample example : examples) {
      microBatchReads += example.sequence().reads().size();
    }
    Sums sums = new Sums();
    List<List<TokenGradients>> gradients = new ArrayList<>(examples.size());
    for (int i = 0; i < examples.size(); i++) {
      PolicyExample example = examples.get(i);
      TokenOutputs output = outputs.get(i).get(0);
      int reads = example.sequence().reads().size();
      Shapes.same("reads", reads, "logprobs", output.logprobs().size());
      // Metrics are means over tokens whatever the loss divides by.
      double share = averaging.weight(reads, microBatchReads, examples.size(), totals);
      double weight = lossWeight(example, share, totals);
      gradients.add(List.of(gradient(example, output, weight, share, sums)));
    }
    return new LossGradient(
        sums.policyLoss + kl.coefficient() * sums.klLoss - entropyCoefficient * sums.entropyLoss,
        gradients,
        sums.metrics(this));
  }

  private double lossWeight(PolicyExample example, double share, BatchTotals totals) {
    int reads = example.sequence().reads().size();
    if (example.length() == reads) {
      return share;
    }
    if (averaging != Averaging.SEQUENCE) {
      throw new IllegalArgumentException(
          "an example of "
              + reads
              + " tokens is to be averaged over "
              + example.length()
              + " and the averaging "
              + averaging
              + " does not read that; choose SEQUENCE");
    }
    return 1.0 / totals.examples() / example.length();
  }

  private TokenGradients gradient(
      PolicyExample example, TokenOutputs output, double weight, double share, Sums sums) {
    int reads = example.sequence().reads().size();
    double[] logRatios = logRatios(output.logprobs(), example.oldLogprobs());
    double[] gradient = new double[reads];
    double shared = 0; // dloss/dlog ρ of a ratio that all tokens of the sequence share
    for (int t = 0; t < reads; t++) {
      double guarded = guard(logRatios[t]);
      double rho = Math.exp(guarded);
      Surrogate.Token token =
          surrogate.of(output.logprobs().get(t), rho, example.advantages().get(t));
      double ofRatio = guarded == logRatios[t] ? weight * token.ratioGradient() : 0;
      gradient[t] = weight * token.logprobGradient();
      if (ratio == Ratio.TOKEN) {
        gradient[t] += ofRatio;
      } else {
        shared += ofRatio * ratio.slope(reads);
      }
      sums.add(token, rho, weight, share);
    }
    for (int t = 0; t < reads; t++) {
      gradient[t] += shared;
    }
    addKl(example, output.logprobs(), logRatios, weight, share, gradient, sums);
    return new TokenGradients(
        floats(gradient), entropyGradient(output, weight, share, sums), Floats.EMPTY);
  }

  /** log ρ of each token, the same for all where the ratio is the sequence's. */
  private double[] logRatios(Floats logprobs, Floats oldLogprobs) {
    double[] logRatios = new double[logprobs.size()];
    double sum = 0;
    for (int t = 0; t < logRatios.length; t++) {
      logRatios[t] = (double) logprobs.get(t) - oldLogprobs.get(t);
      sum += logRatios[t];
    }
    if (ratio != Ratio.TOKEN) {
      Arrays.fill(logRatios, sum * ratio.slope(logRatios.length));
    }
    return logRatios;
  }

  private double guard(double logRatio) {
    return Math.max(-logRatioLimit, Math.min(logRatioLimit, logRatio));
  }

  private void addKl(
      PolicyExample example,
      Floats logprobs,
      double[] logRatios,
      double weight,
      double share,
      double[] gradient,
      Sums sums) {
    if (kl.coefficient() == 0) {
      return;
    }
    Shapes.same("reads", gradient.length, "refLogprobs", example.refLogprobs().size());
    for (int t = 0; t < gradient.length; t++) {
      double difference = (double) logprobs.get(t) - example.refLogprobs().get(t);
      double guarded = guard(difference);
      double guardedRatio = guard(logRatios[t]);
      double rho = Math.exp(guardedRatio);
      double value = kl.value(guarded, rho);
      sums.klLoss += weight * value;
      sums.refKl += share * value;
      double slope = guarded == difference ? kl.slope(difference, rho) : 0;
      slope += guardedRatio == logRatios[t] ? kl.slopeByRatio(guarded, rho) : 0;
      gradient[t] += weight * kl.coefficient() * slope;
    }
  }

  private Floats entropyGradient(TokenOutputs output, double weight, double share, Sums sums) {
    if (entropyCoefficient == 0) {
      return Floats.EMPTY;
    }
    Shapes.same("logprobs", output.logprobs(), "entropies", output.entropies());
    float[] gradient = new float[output.entropies().size()];
    for (int t = 0; t < gradient.length; t++) {
      gradient[t] = (float) (-entropyCoefficient * weight);
      sums.entropyLoss += weight * output.entropies().get(t);
      sums.entropy += share * output.entropies().get(t);
    }
    return new Floats(gradient);
  }

  private static Floats floats(double[] values) {
    float[] floats = new float[values.length];
    for (int t = 0; t < floats.length; t++) {
      floats[t] = (float) values[t];
    }
    return new Floats(floats);
  }

  /** Weighted sums of one micro-batch. */
  private static final class Sums {
    private double policyLoss;
    private double klLoss;
    private double entropyLoss;
    private double refKl;
    private double entropy;
    private double clipFraction;
    private double approxKl;
    private double ratio;

    private void add(Surrogate.Token token, double rho, double weight, double share) {
      policyLoss += weight * token.loss();
      clipFraction += token.clipped() ? share : 0;
      // k3 of KL(old ‖ new), which the tokens were sampled for: ρ − 1 − log ρ.
      approxKl += share * (rho - 1 - Math.log(rho));
      ratio += share * rho;
    }

    private Map<String, Double> metrics(PolicyObjective objective) {
      Map<String, Double> metrics = new HashMap<>();
      metrics.put("policyLoss", policyLoss);
      metrics.put("clipFraction", clipFraction);
      metrics.put("approxKl", approxKl);
      metrics.put("ratio", ratio);
      if (objective.kl.coefficient() != 0) {
        metrics.put("refKl", refKl);
      }
      if (objective.entropyCoefficient != 0) {
        metrics.put("entropy", entropy);
      }
      return metrics;
    }
  }
}
