package dev.troupe.actors.role;

import dev.troupe.protocol.kryo.KryoRegistrations;
import dev.troupe.rlhf.loss.Averaging;
import dev.troupe.rlhf.loss.DpoLoss;
import dev.troupe.rlhf.loss.DpoObjective;
import dev.troupe.rlhf.loss.DpoPair;
import dev.troupe.rlhf.loss.PolicyExample;
import dev.troupe.rlhf.loss.PpoPolicyObjective;
import dev.troupe.rlhf.loss.PpoValueObjective;
import dev.troupe.rlhf.loss.RankedPair;
import dev.troupe.rlhf.loss.RewardObjective;
import dev.troupe.rlhf.loss.SftExample;
import dev.troupe.rlhf.loss.SftObjective;
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
        PpoPolicyObjective.class,
        PolicyExample.class,
        PpoValueObjective.class,
        ValueExample.class,
        DpoObjective.class,
        DpoLoss.Variant.class,
        DpoPair.class);
  }
}
