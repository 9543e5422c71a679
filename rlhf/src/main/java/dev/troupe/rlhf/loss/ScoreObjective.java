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
 * A reward model learned from scores instead of pairs: one score per answer (regression), or one
 * label per step of it (a process reward model).
 *
 * @param kind what a score is
 * @param averaging over which reads the mean is taken
 */
public record ScoreObjective(Kind kind, Averaging averaging) implements Objective<ScoredExample> {

  /** What a score is. */
  public enum Kind {
    /** Any number y: (v − y)² (Wang et al. 2024, HelpSteer, arXiv:2311.09528). */
    REGRESSION,
    /**
     * How likely a step is right, y in [0, 1]: −y·log σ(v) − (1−y)·log σ(−v) (Lightman et al. 2023,
     * arXiv:2305.20050; soft labels as in Wang et al. 2024, Math-Shepherd, arXiv:2312.08935,
     * equation 2). A head of two logits with cross entropy (TRL) is this with v their difference.
     */
    LABEL
  }

  @Override
  public Set<Output> needs() {
    return Set.of(Output.VALUES);
  }

  @Override
  public LossGradient evaluate(
      List<ScoredExample> examples, List<List<TokenOutputs>> outputs, BatchTotals totals) {
    Shapes.outputs(examples.size(), outputs.size());
    long microBatchReads = 0;
    for (ScoredExample example : examples) {
      microBatchReads += example.targets().size();
    }
    double loss = 0;
    double error = 0;
    double accuracy = 0;
    List<List<TokenGradients>> gradients = new ArrayList<>(examples.size());
    for (int i = 0; i < examples.size(); i++) {
      float[] targets = examples.get(i).targets().values();
      float[] values = outputs.get(i).get(0).values().values();
      Shapes.same("targets", targets.length, "values", values.length);
      double weight = averaging.weight(values.length, microBatchReads, examples.size(), totals);
      float[] gradient = new float[values.length];
      for (int t = 0; t < values.length; t++) {
        double value = values[t];
        double target = targets[t];
        double guess = kind == Kind.LABEL ? Logistic.sigmoid(value) : value;
        loss += weight * loss(value, target);
        gradient[t] = (float) (weight * (kind == Kind.LABEL ? 1 : 2) * (guess - target));
        error += weight * Math.abs(guess - target);
        accuracy += (value > 0) == (target > 0.5) ? weight : 0;
      }
      gradients.add(List.of(TokenGradients.ofValues(gradient)));
    }
    return new LossGradient(
        loss,
        gradients,
        kind == Kind.LABEL
            ? Map.of("scoreError", error, "accuracy", accuracy)
            : Map.of("scoreError", error));
  }

  private double loss(double value, double target) {
    return switch (kind) {
      case REGRESSION -> (value - target) * (value - target);
      case LABEL -> {
        if (!(target >= 0 && target <= 1)) {
          throw new IllegalArgumentException(
              "the label of a step is " + target + ", must be from 0 to 1");
        }
        yield target * Logistic.softplus(-value) + (1 - target) * Logistic.softplus(value);
      }
    };
  }
}
