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
 * Direct preference optimisation, with a reference or (CPO, SimPO) without: {@link DpoLoss}
 * averaged over the pairs of the step.
 *
 * @param beta β above 0, usually 0.1
 * @param labelSmoothing ε in [0, 0.5), for SIGMOID, SIGMOID_MEAN and ROBUST; 0 for the others
 * @param targetMargin γ of SimPO, at least 0; 0 for the two forms of IPO
 * @param sftCoefficient c of −c · mean log π(chosen token), added to each pair's loss: DPO alone
 *     may lower both sides' probabilities, and this holds the chosen one up (RPO, Liu et al. 2024,
 *     arXiv:2405.16436; the response's mean over tokens as in TRL)
 */
public record DpoObjective(
    DpoLoss.Variant variant,
    double beta,
    double labelSmoothing,
    double targetMargin,
    double sftCoefficient)
    implements Objective<DpoPair> {
  /** Without a target margin. */
  public DpoObjective(
      DpoLoss.Variant variant, double beta, double labelSmoothing, double sftCoefficient) {
    this(variant, beta, labelSmoothing, 0, sftCoefficient);
  }

  /** Without the SFT term. */
  public DpoObjective(DpoLoss.Variant variant, double beta, double labelSmoothing) {
    this(variant, beta, labelSmoothing, 0);
  }

  public DpoObjective {
    Limit.above("beta", beta, 0);
    Limit.atLeast("targetMargin", targetMargin, 0);
    Limit.atLeast("sftCoefficient", sftCoefficient, 0);
    if (!(labelSmoothing >= 0 && labelSmoothing < 0.5)) {
      throw new IllegalArgumentException(
          "labelSmoothing is " + labelSmoothing + ", must be in [0, 0.5)");
    }
    if (labelSmoothing != 0 && !variant.smooths()) {
      throw new IllegalArgumentException(
          "labelSmoothing is "
              + labelSmoothing
              + " and the variant "
              + variant
              + " does not read it; set it to 0 or choose SIGMOID, SIGMOID_MEAN or ROBUST");
    }
    if (targetMargin != 0 && !variant.hasMargin()) {
      throw new IllegalArgumentException(
          "targetMargin is "
              + targetMargin
              + " and the variant "
              + variant
              + " does not read it; set it to 0 or choose another variant");
    }
  }

  @Override
  public Set<Output> needs() {
    return Set.of(Output.LOGPROBS);
  }

  @Override
  public LossGradient evaluate(
      List<DpoPair> examples, List<List<TokenOutputs>> outputs, BatchTotals totals) {
    Shapes.outputs(examples.size(), outputs.size());
    double perPair = 1.0 / totals.examples();
    double loss = 0;
    double accuracy = 0;
    double chosenReward = 0;
    double rejectedReward = 0;
    double chosenLogprob = 0;
    double rejectedLogprob = 0;
    double sftLoss = 0;
    List<List<TokenGradients>> gradients = new ArrayList<>(examples.size());
    for (int i = 0; i < examples.size(); i++) {
      DpoPair pair = examples.get(i);
      float[] chosen = outputs.get(i).get(0).logprobs().values();
      float[] rejected = outputs.get(i).get(1).logprobs().values();
      Shapes.same("chosen reads", pair.chosen().reads().size(), "logprobs", chosen.length);
      Shapes.same("rejected reads", pair.rejected().reads().size(), "logprobs", rejected.length);
      double chosenSum = sum(chosen);
      double rejectedSum = sum(rejected);
      double chosenRatio = chosenSum - pair.refChosenLogprob();
      double rejectedRatio = rejectedSum - pair.refRejectedLogprob();
      double chosenWeight = sideWeight(chosen.length);
      double rejectedWeight = sideWeight(rejected.length);
      DpoLoss.Pair result =
          DpoLoss.of(
              variant,
              chosenRatio * chosenWeight - rejectedRatio * rejectedWeight,
              beta,
              labelSmoothing,
              targetMargin);
      loss += perPair * result.loss();
      double chosenGain = chosenRatio * chosenWeight;
      double rejectedGain = rejectedRatio * rejectedWeight;
      accuracy += perPair * Wins.of(chosenGain, rejectedGain);
      chosenReward += perPair * beta * chosenGain;
      rejectedReward += perPair * beta * rejectedGain;
      chosenLogprob += perPair * chosenSum;
      rejectedLogprob += perPair * rejectedSum;
      double slope = perPair * result.gradient();
      double perToken = perPair / pair.sftLength();
      sftLoss -= perToken * chosenSum;
      gradients.add(
          List.of(
              constant(chosen.length, slope * chosenWeight - sftCoefficient * perToken),
              constant(rejected.length, -slope * rejectedWeight)));
    }
    Map<String, Double> metrics = new HashMap<>();
    metrics.put("accuracy", accuracy);
    metrics.put("margin", chosenReward - rejectedReward);
    metrics.put("chosenReward", chosenReward);
    metrics.put("rejectedReward", rejectedReward);
    metrics.put("chosenLogprob", chosenLogprob);
    metrics.put("rejectedLogprob", rejectedLogprob);
    metrics.put("sftLoss", sftLoss);
    return new LossGradient(loss + sftCoefficient * sftLoss, gradients, metrics);
  }

  /** 1, or 1/N where a side's log-ratio is averaged; an empty side weighs nothing either way. */
  private double sideWeight(int tokens) {
    return variant.averages() ? 1.0 / Math.max(1, tokens) : 1;
  }

  private static double sum(float[] values) {
    double sum = 0;
    for (float value : values) {
      sum += value;
    }
    return sum;
  }

  private static TokenGradients constant(int size, double value) {
    float[] gradient = new float[size];
    Arrays.fill(gradient, (float) value);
    return TokenGradients.ofLogprobs(gradient);
  }
}
