package dev.troupe.protocol.data;

import java.util.List;

/**
 * One training example of some algorithm: the sequences that must go through the model together,
 * and what else it needs.
 */
public interface Example {
  /** One sequence for SFT and PPO, chosen then rejected for pairs. */
  List<Sequence> sequences();
}
