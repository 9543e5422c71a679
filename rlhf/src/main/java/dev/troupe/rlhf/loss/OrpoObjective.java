package dev.troupe.rlhf.loss;

import dev.troupe.protocol.data.BatchTotals;
import dev.troupe.protocol.data.LossGradient;
import dev.troupe.protocol.data.Objective;
import dev.troupe.protocol.data.Output;
import dev.troupe.protocol.data.TokenGradients;
import dev.troupe.protocol.data.TokenOutputs;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Set;

/**
 * ORPO (Hong et al. 2024, arXiv:2403.07691, equations 6 and 7): imitate the chosen answer, and
 * raise the odds of it over those of the rejected one, without a reference.
 *
 * <pre>
 *   ℓ    = mean over the answer's tokens of log π
 *   odds = [ℓ_w − log(1 − e^ℓ_w)] − [ℓ_l − log(1 − e^ℓ_l)]
 *   L    = NLL(chosen) − β·log σ(odds)
 * </pre>
 *
 * @param beta λ of the paper, above 0, usually 0.1
 */
public record OrpoObjective(double beta) implements Objective<OrpoPair> {
  /** A likelihood nearer to 1 than this counts as this far from it: its odds are finite. */
  private static final double CERTAIN = -1e-9;

  public OrpoObjective {
    Limit.above("beta", beta, 0);
  }

  @Override
  public Set<Output> needs() {
    return Set.of(Output.LOGPROBS);
  }

  @Override
  public LossGradient evaluate(
      List<OrpoPair> examples, List<List<TokenOutputs>> outputs, BatchTotals totals) {
    Shapes.outputs(examples.size(), outputs.size());
    double perPair = 1.0 / totals.examples();
    double preference = 0;
    double nll = 0;
    double accuracy = 0;
    double logOdds = 0;
    double chosenReward = 0;
    double rejectedReward = 0;
    List<List<TokenGradients>> gradients = new ArrayList<>(examples.size());
    for (int i = 0; i < examples.size(); i++) {
      OrpoPair pair = examples.get(i);
      float[] chosen = outputs.get(i).get(0).logprobs().values();
      float[] rejected = outputs.get(i).get(1).logprobs().values();
      Shapes.same("chosen reads", pair.chosen().reads().size(), "logprobs", chosen.length);
      Shapes.same("rejected reads", pair.rejected().reads().size(), "logprobs", rejected.length);
      Side winner = Side.of(chosen, pair.answerFrom());
      Side loser = Side.of(rejected, 0);
      double odds = winner.logOdds() - loser.logOdds();
      preference += perPair * Logistic.softplus(-odds);
      logOdds += perPair * odds;
      accuracy += perPair * Wins.of(winner.mean(), loser.mean());
      chosenReward += perPair * beta * winner.mean();
      rejectedReward += perPair * beta * loser.mean();
      double slope = perPair * beta * Logistic.sigmoid(-odds);
      double perToken = perPair / pair.sftLength();
      float[] ofChosen = new float[chosen.length];
      for (int t = 0; t < chosen.length; t++) {
        nll -= perToken * chosen[t];
        double answers = t >= pair.answerFrom() ? slope * winner.slope() : 0;
        ofChosen[t] = (float) (-perToken - answers);
      }
      float[] ofRejected = new float[rejected.length];
      Arrays.fill(ofRejected, (float) (slope * loser.slope()));
      gradients.add(
          List.of(TokenGradients.ofLogprobs(ofChosen), TokenGradients.ofLogprobs(ofRejected)));
    }
    return new LossGradient(
        nll + beta * preference,
        gradients,
        Map.of(
            "accuracy", accuracy,
            "margin", chosenReward - rejectedReward,
            "chosenReward", chosenReward,
            "rejectedReward", rejectedReward,
            "logOdds", logOdds,
            "sftLoss", nll));
  }

  /**
   * One answer.
   *
   * @param mean ℓ, 0 for an empty answer
   * @param slope d log odds / d logprob of each of its tokens
   */
  private record Side(double mean, double logOdds, double slope) {
    static Side of(float[] logprobs, int from) {
      int tokens = Math.max(1, logprobs.length - from);
      double sum = 0;
      for (int t = from; t < logprobs.length; t++) {
        sum += logprobs[t];
      }
      double mean = sum / tokens;
      double likelihood = Math.min(mean, CERTAIN);
      double slope = mean == likelihood ? -1 / Math.expm1(mean) / tokens : 0;
      return new Side(mean, likelihood - Logistic.log1mExp(likelihood), slope);
    }
  }
}
