package dev.troupe.rlhf.loss;

import dev.troupe.protocol.data.BatchTotals;
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
import java.util.Set;

/**
 * KTO (Ethayarajh et al. 2024, arXiv:2402.01306, equation 8): answers found good or bad one by one.
 * With ℓ = log π(y) − log ref(y):
 *
 * <pre>
 *   desirable     λ_D·(1 − σ(β(ℓ − z)))
 *   undesirable   λ_U·(1 − σ(β(z − ℓ)))
 * </pre>
 *
 * averaged over the examples of the step.
 *
 * @param beta β above 0, usually 0.1
 * @param desirableWeight λ_D, at least 0
 * @param undesirableWeight λ_U, at least 0
 * @param referencePoint z of this step, from {@link #referencePoint(List)}; no gradient flows
 *     through it
 * @param sftCoefficient c of −c · mean log π(token) of the desirable answers, each over its own
 *     tokens; 0 for none
 */
public record KtoObjective(
    double beta,
    double desirableWeight,
    double undesirableWeight,
    double referencePoint,
    double sftCoefficient)
    implements Objective<KtoExample> {
  public KtoObjective {
    Limit.above("beta", beta, 0);
    Limit.atLeast("desirableWeight", desirableWeight, 0);
    Limit.atLeast("undesirableWeight", undesirableWeight, 0);
    Limit.atLeast("referencePoint", referencePoint, 0);
    Limit.atLeast("sftCoefficient", sftCoefficient, 0);
  }

  /**
   * z = max(0, mean of log π(y'|x) − log ref(y'|x)), with y' the answer to another prompt of the
   * step: what the policy's probabilities have shifted by whatever the prompt.
   *
   * @param logRatios one per mismatched pair of the whole step, at least one
   */
  public static double referencePoint(List<Double> logRatios) {
    if (logRatios.isEmpty()) {
      throw new IllegalArgumentException(
          "KTO's reference point needs mismatched pairs of prompt and answer; there are none");
    }
    return Math.max(
        0, logRatios.stream().mapToDouble(Double::doubleValue).sum() / logRatios.size());
  }

  @Override
  public Set<Output> needs() {
    return Set.of(Output.LOGPROBS);
  }

  @Override
  public LossGradient evaluate(
      List<KtoExample> examples, List<List<TokenOutputs>> outputs, BatchTotals totals) {
    Shapes.outputs(examples.size(), outputs.size());
    double perExample = 1.0 / totals.examples();
    double loss = 0;
    double accuracy = 0;
    double margin = 0;
    double sftLoss = 0;
    List<List<TokenGradients>> gradients = new ArrayList<>(examples.size());
    for (int i = 0; i < examples.size(); i++) {
      KtoExample example = examples.get(i);
      float[] logprobs = outputs.get(i).get(0).logprobs().values();
      Shapes.same("reads", example.sequence().reads().size(), "logprobs", logprobs.length);
      double sum = 0;
      for (float logprob : logprobs) {
        sum += logprob;
      }
      double sign = example.desirable() ? 1 : -1;
      double weight = perExample * (example.desirable() ? desirableWeight : undesirableWeight);
      double x = sign * beta * (sum - example.refLogprob() - referencePoint);
      loss += weight * Logistic.sigmoid(-x);
      accuracy += perExample * Wins.of(x, 0);
      margin += perExample * x;
      double perToken = example.desirable() ? perExample / Math.max(1, logprobs.length) : 0;
      sftLoss -= perToken * sum;
      double slope = -weight * sign * beta * Logistic.sigmoid(x) * Logistic.sigmoid(-x);
      float[] gradient = new float[logprobs.length];
      Arrays.fill(gradient, (float) (slope - sftCoefficient * perToken));
      gradients.add(List.of(TokenGradients.ofLogprobs(gradient)));
    }
    Map<String, Double> metrics = new HashMap<>();
    metrics.put("accuracy", accuracy);
    metrics.put("margin", margin);
    metrics.put("referencePoint", perExample * examples.size() * referencePoint);
    if (sftCoefficient != 0) {
      metrics.put("sftLoss", sftLoss);
    }
    return new LossGradient(loss + sftCoefficient * sftLoss, gradients, metrics);
  }
}
