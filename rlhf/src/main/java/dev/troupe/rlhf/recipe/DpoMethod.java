package dev.troupe.rlhf.recipe;

import dev.troupe.protocol.data.Sequence;
import dev.troupe.rlhf.data.TokenPair;
import dev.troupe.rlhf.loss.DpoObjective;
import dev.troupe.rlhf.loss.DpoPair;
import dev.troupe.rlhf.port.Learner;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/**
 * Direct preference optimisation (Rafailov et al. 2023): learn from pairs without a reward model.
 * Without a reference it is CPO (Xu et al. 2024) or SimPO (Meng et al. 2024). Leaves out a
 * reference that follows the policy.
 */
public record DpoMethod(DpoConfig config) implements PreferenceMethod<TokenPair, DpoPair> {
  @Override
  public boolean hasReference() {
    return config.reference() == DpoConfig.Reference.START;
  }

  @Override
  public Ready<DpoPair> prepare(List<TokenPair> samples, Optional<Learner> reference) {
    List<Double> sums = reference.map(role -> sums(role, samples)).orElse(List.of());
    List<DpoPair> pairs = new ArrayList<>();
    for (int i = 0; i < samples.size(); i++) {
      pairs.add(
          sums.isEmpty()
              ? samples.get(i).dpo(0, 0)
              : samples.get(i).dpo(sums.get(2 * i), sums.get(2 * i + 1)));
    }
    DpoObjective objective =
        new DpoObjective(
            config.variant(),
            config.beta(),
            config.labelSmoothing(),
            config.targetMargin(),
            config.sftCoefficient());
    return new Ready<>(pairs, policy -> objective);
  }

  /** Of chosen, rejected, chosen, rejected … */
  private static List<Double> sums(Learner role, List<TokenPair> pairs) {
    List<Sequence> sequences = new ArrayList<>();
    for (TokenPair pair : pairs) {
      sequences.add(pair.chosenSequence());
      sequences.add(pair.rejectedSequence());
    }
    return PreferenceMethod.sums(role, sequences);
  }
}
