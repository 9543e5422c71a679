package dev.troupe.rlhf.recipe;

import dev.troupe.rlhf.data.TokenPair;
import dev.troupe.rlhf.loss.OrpoObjective;
import dev.troupe.rlhf.loss.OrpoPair;
import dev.troupe.rlhf.port.Learner;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/** ORPO (Hong et al. 2024): imitation of the chosen answer and its odds over the rejected one's. */
public record OrpoMethod(OrpoConfig config) implements PreferenceMethod<TokenPair, OrpoPair> {
  @Override
  public boolean hasReference() {
    return false;
  }

  /** With all tokens trained the imitation is a mean over those of all samples, as in TRL. */
  @Override
  public Ready<OrpoPair> prepare(List<TokenPair> samples, Optional<Learner> reference) {
    boolean all = config.trainOn() == OrpoConfig.Imitated.ALL;
    List<OrpoPair> pairs = new ArrayList<>();
    double mean =
        samples.stream().mapToInt(pair -> pair.imitated(all).reads().size()).average().orElse(1);
    for (TokenPair pair : samples) {
      int reads = pair.imitated(all).reads().size();
      pairs.add(
          new OrpoPair(
              pair.imitated(all),
              pair.rejectedSequence(),
              reads - pair.chosen().size(),
              all ? mean : reads));
    }
    OrpoObjective objective = new OrpoObjective(config.beta());
    return new Ready<>(pairs, policy -> objective);
  }
}
