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
 * The critic's loss: mean of {@link PpoValueLoss}.
 *
 * @param clipEpsilon ε above 0, usually 0.2; infinite for no clip
 * @param averaging over which tokens the mean is taken
 */
public record PpoValueObjective(double clipEpsilon, Averaging averaging)
    implements Objective<ValueExample> {

  public PpoValueObjective {
    if (!(clipEpsilon > 0)) {
      throw new IllegalArgumentException("clipEpsilon is " + clipEpsilon + ", must be above 0");
    }
  }

  public PpoValueObjective(double clipEpsilon) {
    this(clipEpsilon, Averaging.GLOBAL_TOKEN);
  }

  @Override
  public Set<Output> needs() {
    return Set.of(Output.VALUES);
  }

  @Override
  public LossGradient evaluate(
      List<ValueExample> examples, List<List<TokenOutputs>> outputs, BatchTotals totals) {
    Shapes.outputs(examples.size(), outputs.size());
    long microBatchReads = 0;
    for (ValueExample example : examples) {
      microBatchReads += example.sequence().reads().size();
    }
    double loss = 0;
    double clipFraction = 0;
    double valueMean = 0;
    List<List<TokenGradients>> gradients = new ArrayList<>(examples.size());
    for (int i = 0; i < examples.size(); i++) {
      ValueExample example = examples.get(i);
      float[] values = outputs.get(i).get(0).values().values();
      Shapes.same("reads", example.sequence().reads().size(), "values", values.length);
      double weight = averaging.weight(values.length, microBatchReads, examples.size(), totals);
      float[] gradient = new float[values.length];
      for (int t = 0; t < values.length; t++) {
        PpoValueLoss.Token token =
            PpoValueLoss.of(
                values[t], example.oldValues().get(t), example.returns().get(t), clipEpsilon);
        loss += weight * token.loss();
        clipFraction += token.clipped() ? weight : 0;
        valueMean += weight * values[t];
        gradient[t] = (float) (weight * token.gradient());
      }
      gradients.add(List.of(TokenGradients.ofValues(gradient)));
    }
    return new LossGradient(
        loss,
        gradients,
        Map.of("valueLoss", loss, "valueClipFraction", clipFraction, "valueMean", valueMean));
  }
}
