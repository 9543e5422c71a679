package dev.troupe.tests.reinforce;

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

/** REINFORCE (Williams 1992): the mean over answers of −advantage · log p(answer). */
public record ReinforceObjective() implements Objective<WeightedAnswer> {
  @Override
  public Set<Output> needs() {
    return Set.of(Output.LOGPROBS);
  }

  @Override
  public LossGradient evaluate(
      List<WeightedAnswer> answers, List<List<TokenOutputs>> outputs, BatchTotals totals) {
    double loss = 0;
    List<List<TokenGradients>> gradients = new ArrayList<>();
    for (int i = 0; i < answers.size(); i++) {
      double weight = answers.get(i).advantage() / totals.examples();
      float[] logprobs = outputs.get(i).get(0).logprobs().values();
      float[] gradient = new float[logprobs.length];
      Arrays.fill(gradient, (float) -weight);
      for (float logprob : logprobs) {
        loss -= weight * logprob;
      }
      gradients.add(List.of(TokenGradients.ofLogprobs(gradient)));
    }
    return new LossGradient(loss, gradients, Map.of());
  }
}
