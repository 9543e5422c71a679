package dev.troupe.actors.role;

import dev.troupe.protocol.kryo.KryoRegistrations;
import dev.troupe.rlhf.loss.Averaging;
import dev.troupe.rlhf.loss.DpoLoss;
import dev.troupe.rlhf.loss.DpoObjective;
import dev.troupe.rlhf.loss.DpoPair;
import dev.troupe.rlhf.loss.Kl;
import dev.troupe.rlhf.loss.KlTerm;
import dev.troupe.rlhf.loss.KtoExample;
import dev.troupe.rlhf.loss.KtoObjective;
import dev.troupe.rlhf.loss.OrpoObjective;
import dev.troupe.rlhf.loss.OrpoPair;
import dev.troupe.rlhf.loss.PolicyExample;
import dev.troupe.rlhf.loss.PolicyObjective;
import dev.troupe.rlhf.loss.PpoValueObjective;
import dev.troupe.rlhf.loss.RankedPair;
import dev.troupe.rlhf.loss.Ratio;
import dev.troupe.rlhf.loss.RewardObjective;
import dev.troupe.rlhf.loss.ScoreObjective;
import dev.troupe.rlhf.loss.ScoredExample;
import dev.troupe.rlhf.loss.SftExample;
import dev.troupe.rlhf.loss.SftObjective;
import dev.troupe.rlhf.loss.Surrogate;
import dev.troupe.rlhf.loss.ValueExample;
import java.util.List;

/** The algorithms' objectives and examples, which travel to the roles that train. Append only. */
public final class AlgorithmRegistrations implements KryoRegistrations {
  @Override
  public List<Class<?>> classes() {
    return List.of(
        Averaging.class,
        SftObjective.class,
        SftExample.class,
        RewardObjective.class,
        RewardObjective.Kind.class,
        RankedPair.class,
        PolicyObjective.class,
        PolicyExample.class,
        PpoValueObjective.class,
        ValueExample.class,
        DpoObjective.class,
        DpoLoss.Variant.class,
        DpoPair.class,
        SftObjective.Weighting.class,
        Ratio.class,
        Surrogate.Clip.class,
        Surrogate.Cispo.class,
        Surrogate.Sapo.class,
        Surrogate.ImportanceSampling.class,
        KlTerm.class,
        KlTerm.Gradient.class,
        Kl.class,
        OrpoObjective.class,
        OrpoPair.class,
        KtoObjective.class,
        KtoExample.class,
        ScoreObjective.class,
        ScoreObjective.Kind.class,
        ScoredExample.class);
  }
}
