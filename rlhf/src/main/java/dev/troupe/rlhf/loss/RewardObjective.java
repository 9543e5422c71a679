package dev.troupe.rlhf.loss;

import dev.troupe.protocol.data.BatchTotals;
import dev.troupe.protocol.data.LossGradient;
import dev.troupe.protocol.data.Objective;
import dev.troupe.protocol.data.Output;
import dev.troupe.protocol.data.TokenGradients;
import dev.troupe.protocol.data.TokenOutputs;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;

/**
 * A reward model's loss over pairs (Bradley and Terry 1952; Ouyang et al. 2022, equation 1),
 * averaged over the pairs of the step.
 *
 * @param kind which positions are compared
 * @param centerCoefficient c of the term c·(r_w + r_l)² that keeps scores near 0 (Eisenstein et al.
 *     2023); 0 for none, and always 0 for TOKEN_WISE
 */
public record RewardObjective(Kind kind, double centerCoefficient)
    implements Objective<RankedPair> {

  /** Which positions are compared. */
  public enum Kind {
    /** −log σ(r_w − r_l − margin) on the two scores. */
    LAST_TOKEN,
    /**
     * Mean of −log σ(r_w,t − r_l,t) over the positions from the first difference on:
     * DeepSpeed-Chat. The margin is not used.
     */
    TOKEN_WISE
  }

  public RewardObjective {
    if (!(centerCoefficient >= 0)) {
      throw new IllegalArgumentException(
          "centerCoefficient is " + centerCoefficient + ", must be at least 0");
    }
    if (kind == Kind.TOKEN_WISE && centerCoefficient != 0) {
      throw new IllegalArgumentException(
          "centerCoefficient is "
              + centerCoefficient
              + " and the token-wise reward loss has no centring term; set it to 0 or choose the"
              + " last-token loss");
    }
  }

  @Override
  public Set<Output> needs() {
    return Set.of(Output.VALUES);
  }

  @Override
  public LossGradient evaluate(
      List<RankedPair> examples, List<List<TokenOutputs>> outputs, BatchTotals totals) {
    Shapes.outputs(examples.size(), outputs.size());
    double perPair = 1.0 / totals.examples();
    double loss = 0;
    double accuracy = 0;
    double chosenReward = 0;
    double rejectedReward = 0;
    List<List<TokenGradients>> gradients = new ArrayList<>(examples.size());
    for (int i = 0; i < examples.size(); i++) {
      RankedPair pair = examples.get(i);
      float[] chosen = outputs.get(i).get(0).values().values();
      float[] rejected = outputs.get(i).get(1).values().values();
      Shapes.same("chosen reads", pair.chosen().reads().size(), "values", chosen.length);
      Shapes.same("rejected reads", pair.rejected().reads().size(), "values", rejected.length);
      float[] chosenGradient = new float[chosen.length];
      float[] rejectedGradient = new float[rejected.length];
      loss +=
          switch (kind) {
            case LAST_TOKEN ->
                lastToken(pair, chosen, rejected, perPair, chosenGradient, rejectedGradient);
            case TOKEN_WISE ->
                tokenWise(pair, chosen, rejected, perPair, chosenGradient, rejectedGradient);
          };
      double chosenScore = chosen[pair.chosenScoreAt()];
      double rejectedScore = rejected[pair.rejectedScoreAt()];
      accuracy += perPair * Wins.of(chosenScore, rejectedScore);
      chosenReward += perPair * chosenScore;
      rejectedReward += perPair * rejectedScore;
      gradients.add(
          List.of(
              TokenGradients.ofValues(chosenGradient), TokenGradients.ofValues(rejectedGradient)));
    }
    return new LossGradient(
        loss,
        gradients,
        Map.of(
            "accuracy", accuracy,
            "margin", chosenReward - rejectedReward,
            "chosenReward", chosenReward,
            "rejectedReward", rejectedReward));
  }

  private double lastToken(
      RankedPair pair,
      float[] chosen,
      float[] rejected,
      double weight,
      float[] chosenGradient,
      float[] rejectedGradient) {
    double winner = chosen[pair.chosenScoreAt()];
    double loser = rejected[pair.rejectedScoreAt()];
    double difference = winner - loser - pair.margin();
    double sum = winner + loser;
    double slope = weight * Logistic.sigmoid(-difference);
    double centring = weight * 2 * centerCoefficient * sum;
    chosenGradient[pair.chosenScoreAt()] = (float) (centring - slope);
    rejectedGradient[pair.rejectedScoreAt()] = (float) (centring + slope);
    return weight * (Logistic.softplus(-difference) + centerCoefficient * sum * sum);
  }

  private static double tokenWise(
      RankedPair pair,
      float[] chosen,
      float[] rejected,
      double weight,
      float[] chosenGradient,
      float[] rejectedGradient) {
    Shapes.same("chosen reads", chosen.length, "rejected reads", rejected.length);
    double perToken = weight / (chosen.length - pair.from());
    double loss = 0;
    for (int t = pair.from(); t < chosen.length; t++) {
      double difference = (double) chosen[t] - rejected[t];
      double slope = perToken * Logistic.sigmoid(-difference);
      chosenGradient[t] = (float) -slope;
      rejectedGradient[t] = (float) slope;
      loss += perToken * Logistic.softplus(-difference);
    }
    return loss;
  }
}
