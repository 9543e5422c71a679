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
 * Supervised fine-tuning: coefficient · mean of −log p(token). With a coefficient it is the
 * pre-training term of PPO-ptx (Ouyang et al. 2022, equation 2).
 *
 * @param averaging over which tokens the mean is taken
 * @param coefficient 1 for plain SFT, 27.8 for PPO-ptx
 * @param weighting of a token within the mean
 */
public record SftObjective(Averaging averaging, double coefficient, Weighting weighting)
    implements Objective<SftExample> {

  /** What a token's −log p is multiplied by. */
  public enum Weighting {
    /** 1. */
    NONE,
    /**
     * Its probability p, without a gradient of its own: dynamic fine-tuning (Wu et al. 2025,
     * arXiv:2508.05629, equation 9), which learns less from tokens that the model finds unlikely.
     */
    PROBABILITY
  }

  public SftObjective(Averaging averaging) {
    this(averaging, 1);
  }

  /** Every token of the mean alike. */
  public SftObjective(Averaging averaging, double coefficient) {
    this(averaging, coefficient, Weighting.NONE);
  }

  @Override
  public Set<Output> needs() {
    return Set.of(Output.LOGPROBS);
  }

  @Override
  public LossGradient evaluate(
      List<SftExample> examples, List<List<TokenOutputs>> outputs, BatchTotals totals) {
    Shapes.outputs(examples.size(), outputs.size());
    long microBatchReads =
        outputs.stream().mapToLong(sequences -> sequences.get(0).logprobs().size()).sum();
    double nll = 0;
    double loss = 0;
    List<List<TokenGradients>> gradients = new ArrayList<>(examples.size());
    for (List<TokenOutputs> sequences : outputs) {
      float[] logprobs = sequences.get(0).logprobs().values();
      double weight = averaging.weight(logprobs.length, microBatchReads, examples.size(), totals);
      float[] gradient = new float[logprobs.length];
      for (int t = 0; t < logprobs.length; t++) {
        double factor =
            switch (weighting) {
              case NONE -> 1;
              case PROBABILITY -> Math.exp(logprobs[t]);
            };
        nll -= weight * logprobs[t];
        loss -= factor * weight * logprobs[t];
        gradient[t] = (float) (-coefficient * factor * weight);
      }
      gradients.add(List.of(TokenGradients.ofLogprobs(gradient)));
    }
    return new LossGradient(coefficient * loss, gradients, Map.of("nll", nll));
  }
}
