package dev.troupe.engine;

import dev.troupe.protocol.data.BatchTotals;
import dev.troupe.protocol.data.Example;
import dev.troupe.protocol.data.Floats;
import dev.troupe.protocol.data.LossGradient;
import dev.troupe.protocol.data.Objective;
import dev.troupe.protocol.data.Output;
import dev.troupe.protocol.data.Sequence;
import dev.troupe.protocol.data.TokenGradients;
import dev.troupe.protocol.data.TokenOutputs;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Set;

/** Mean negative log-probability. */
record Nll() implements Objective<Nll.Text> {
  /** Positions of a text that are learned. */
  record Text(Sequence sequence) implements Example {
    @Override
    public List<Sequence> sequences() {
      return List.of(sequence);
    }
  }

  @Override
  public Set<Output> needs() {
    return Set.of(Output.LOGPROBS);
  }

  @Override
  public LossGradient evaluate(
      List<Text> examples, List<List<TokenOutputs>> outputs, BatchTotals totals) {
    double loss = 0;
    List<List<TokenGradients>> gradients = new ArrayList<>();
    for (List<TokenOutputs> output : outputs) {
      Floats logprobs = output.get(0).logprobs();
      float[] gradient = new float[logprobs.size()];
      Arrays.fill(gradient, -1f / totals.reads());
      for (float logprob : logprobs.values()) {
        loss -= logprob / totals.reads();
      }
      gradients.add(List.of(new TokenGradients(new Floats(gradient), Floats.EMPTY, Floats.EMPTY)));
    }
    return new LossGradient(loss, gradients, Map.of());
  }
}
