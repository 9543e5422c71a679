package dev.troupe.models.peft;

import dev.troupe.models.checkpoint.Shape;
import java.util.List;
import java.util.Map;

/**
 * Low-rank Hadamard products (Hyeon-Woo et al., arXiv:2108.06098): W + alpha / rank · (A₁ B₁) ⊙ (A₂
 * B₂), four matrices of one rank.
 *
 * @param rank of those that no pattern gives another, at least 1
 * @param alpha numerator of the scale
 * @param rankPattern ranks by a regular expression on the end of a name
 * @param alphaPattern alphas likewise
 */
public record Loha(
    Targets targets,
    int rank,
    double alpha,
    Map<String, Integer> rankPattern,
    Map<String, Double> alphaPattern)
    implements ModuleMethod {
  static final String TYPE = "LOHA";

  public Loha {
    rankPattern = Ranks.checked(rank, alpha, rankPattern, alphaPattern);
    alphaPattern = Ranks.ordered(alphaPattern);
  }

  @Override
  public String type() {
    return TYPE;
  }

  private int rank(LinearModule module) {
    return Targets.first(rankPattern, module.name()).orElse(rank);
  }

  /** The scale. */
  @Override
  public double setting(LinearModule module) {
    return Targets.first(alphaPattern, module.name()).orElse(alpha) / rank(module);
  }

  @Override
  public List<ModuleTensor> tensors(LinearModule module) {
    int r = rank(module);
    Shape a = Shape.of(module.outputs(), r);
    Shape b = Shape.of(r, module.inputs());
    return List.of(
        new ModuleTensor(".hada_w1_a", a, true, ModuleTensor.kaiming(r)),
        new ModuleTensor(".hada_w1_b", b, false, ModuleTensor.kaiming(module.inputs())),
        new ModuleTensor(".hada_w2_a", a, true, ModuleTensor.kaiming(r)),
        new ModuleTensor(".hada_w2_b", b, false, ModuleTensor.constant(0)));
  }

  @Override
  public Map<String, WeightChange> changes(
      LinearModule module, List<float[]> values, boolean bias) {
    int r = rank(module);
    int inputs = module.inputs();
    double scale = setting(module);
    return Map.of(
        module.name() + ".weight",
        weight ->
            Rows.each(
                module.outputs(),
                row -> {
                  double[] one = Rows.product(values.get(0), row * r, r, values.get(1), inputs);
                  double[] other = Rows.product(values.get(2), row * r, r, values.get(3), inputs);
                  for (int i = 0; i < inputs; i++) {
                    int at = row * inputs + i;
                    weight[at] = (float) (weight[at] + scale * one[i] * other[i]);
                  }
                }));
  }

  @Override
  public String describe() {
    return "LoHa of rank " + rank + ", alpha " + alpha + " on " + targets.describe();
  }
}
