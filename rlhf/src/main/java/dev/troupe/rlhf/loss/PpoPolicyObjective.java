package dev.troupe.rlhf.loss;

import dev.troupe.protocol.data.BatchTotals;
import dev.troupe.protocol.data.Floats;
import dev.troupe.protocol.data.LossGradient;
import dev.troupe.protocol.data.Objective;
import dev.troupe.protocol.data.Output;
import dev.troupe.protocol.data.TokenGradients;
import dev.troupe.protocol.data.TokenOutputs;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.OptionalDouble;
import java.util.Set;

/**
 * PPO's policy loss: mean of {@link PpoPolicyLoss}, less an entropy bonus.
 *
 * <pre>  loss = mean(L_t) − entropyCoefficient · mean(H_t)</pre>
 *
 * @param clipEpsilon ε above 0, usually 0.2
 * @param dualClip bound c above 1 on the ratio of bad actions; absent for none
 * @param entropyCoefficient 0 for no bonus, and then entropies are not asked for
 * @param averaging over which tokens the mean is taken
 * @param logRatioLimit guard of the exponent, 20 in OpenRLHF and verl; infinite for none
 */
public record PpoPolicyObjective(
    double clipEpsilon,
    OptionalDouble dualClip,
    double entropyCoefficient,
    Averaging averaging,
    double logRatioLimit)
    implements Objective<PolicyExample> {
  /** That of OpenRLHF and verl. */
  public static final double LOG_RATIO_LIMIT = 20;

  public PpoPolicyObjective {
    if (!(clipEpsilon > 0)) {
      throw new IllegalArgumentException("clipEpsilon is " + clipEpsilon + ", must be above 0");
    }
    if (dualClip.isPresent() && !(dualClip.getAsDouble() > 1)) {
      throw new IllegalArgumentException(
          "dualClip is " + dualClip.getAsDouble() + ", must be above 1");
    }
    if (!(logRatioLimit > 0)) {
      throw new IllegalArgumentException("logRatioLimit is " + logRatioLimit + ", must be above 0");
    }
  }

  /** Averaged over all tokens of the step, with the exponent kept within ±20. */
  public PpoPolicyObjective(
      double clipEpsilon, OptionalDouble dualClip, double entropyCoefficient) {
    this(clipEpsilon, dualClip, entropyCoefficient, Averaging.GLOBAL_TOKEN, LOG_RATIO_LIMIT);
  }

  @Override
  public Set<Output> needs() {
    return entropyCoefficient == 0
        ? Set.of(Output.LOGPROBS)
        : Set.of(Output.LOGPROBS, Output.ENTROPIES);
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
      double weight = averaging.weight(reads, microBatchReads, examples.size(), totals);
      gradients.add(List.of(gradient(example, output, weight, sums)));
    }
    return new LossGradient(
        sums.policyLoss - entropyCoefficient * sums.entropy, gradients, sums.metrics(this));
  }

  private TokenGradients gradient(
      PolicyExample example, TokenOutputs output, double weight, Sums sums) {
    int reads = example.sequence().reads().size();
    float[] gradient = new float[reads];
    for (int t = 0; t < reads; t++) {
      PpoPolicyLoss.Token token =
          PpoPolicyLoss.of(
              output.logprobs().get(t),
              example.oldLogprobs().get(t),
              example.advantages().get(t),
              clipEpsilon,
              dualClip,
              logRatioLimit);
      gradient[t] = (float) (weight * token.gradient());
      sums.add(token, weight);
    }
    return new TokenGradients(
        new Floats(gradient), entropyGradient(output, weight, sums), Floats.EMPTY);
  }

  private Floats entropyGradient(TokenOutputs output, double weight, Sums sums) {
    if (entropyCoefficient == 0) {
      return Floats.EMPTY;
    }
    Shapes.same("logprobs", output.logprobs(), "entropies", output.entropies());
    float[] gradient = new float[output.entropies().size()];
    for (int t = 0; t < gradient.length; t++) {
      gradient[t] = (float) (-entropyCoefficient * weight);
      sums.entropy += weight * output.entropies().get(t);
    }
    return new Floats(gradient);
  }

  /** Weighted sums of one micro-batch. */
  private static final class Sums {
    private double policyLoss;
    private double entropy;
    private double clipFraction;
    private double approxKl;
    private double ratio;

    private void add(PpoPolicyLoss.Token token, double weight) {
      policyLoss += weight * token.loss();
      clipFraction += token.clipped() ? weight : 0;
      // k3 of KL(old ‖ new), which the tokens were sampled for: ρ − 1 − log ρ.
      approxKl += weight * (token.ratio() - 1 - Math.log(token.ratio()));
      ratio += weight * token.ratio();
    }

    private Map<String, Double> metrics(PpoPolicyObjective objective) {
      Map<String, Double> metrics = new HashMap<>();
      metrics.put("policyLoss", policyLoss);
      metrics.put("clipFraction", clipFraction);
      metrics.put("approxKl", approxKl);
      metrics.put("ratio", ratio);
      if (objective.entropyCoefficient != 0) {
        metrics.put("entropy", entropy);
      }
      return metrics;
    }
  }
}
