package dev.troupe.actors.role;

import dev.troupe.protocol.data.Floats;
import dev.troupe.protocol.data.PartialSums;
import dev.troupe.protocol.data.Shards;

/**
 * Carries gradients between the replicas of a role. Every replica calls it for the same step, on
 * its role's thread, and comes to the same bytes: those that one replica alone would have, where
 * the parts are added in the order of their tree.
 */
interface Carrier {
  /**
   * The whole gradient.
   *
   * @param own what this replica has
   * @throws RoleException when a replica is lost or has failed
   */
  Floats sum(PartialSums own);

  /**
   * This replica's shard of the gradient, added up as {@link #sum} would.
   *
   * @throws RoleException when a replica is lost or has failed
   */
  Floats shard(PartialSums own, Shards shards);

  /**
   * What all replicas have, one's behind the other's, by their ranks.
   *
   * @param number of this gathering, from 0 on in each exchange
   * @param counts how many numbers each has
   * @throws RoleException when a replica is lost or has failed
   */
  Floats gather(int number, Floats own, int[] counts);

  /** As torch adds them; the first is of no use any more. */
  static float[] plus(float[] one, float[] other) {
    for (int i = 0; i < one.length; i++) {
      one[i] += other[i];
    }
    return one;
  }
}
