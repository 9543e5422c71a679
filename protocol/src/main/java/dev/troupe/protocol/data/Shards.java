package dev.troupe.protocol.data;

/**
 * How the replicas of a role divide its flat buffer where each holds the optimiser's state of a
 * part alone (ZeRO, Rajbhandari et al. 2020): consecutive parts of whole chunks, as many chunks as
 * the others to within one. Norms are sums over the same chunks, and vectors of processors divide
 * them, so that each part comes to the bits that it would have in the whole.
 *
 * @param size numbers of the buffer
 * @param of how many replicas there are; those beyond the number of chunks have nothing
 */
public record Shards(int size, int of) {
  /** Numbers of a chunk. */
  public static final int CHUNK = 1 << 16;

  /** Of the buffer; the last may be a smaller one. */
  public int chunks() {
    return (int) (((long) size + CHUNK - 1) / CHUNK);
  }

  /** The first number that is this replica's. */
  public int from(int rank) {
    return (int) Math.min(size, (long) CHUNK * new Share(rank, of).from(chunks()));
  }

  /** Behind the last that is this replica's. */
  public int to(int rank) {
    return (int) Math.min(size, (long) CHUNK * new Share(rank, of).to(chunks()));
  }

  public int count(int rank) {
    return to(rank) - from(rank);
  }

  /** Chunks of each replica, by rank. */
  public int[] chunksByRank() {
    int[] counts = new int[of];
    for (int rank = 0; rank < of; rank++) {
      counts[rank] = new Share(rank, of).count(chunks());
    }
    return counts;
  }

  /** Numbers of each replica, by rank. */
  public int[] numbersByRank() {
    int[] counts = new int[of];
    for (int rank = 0; rank < of; rank++) {
      counts[rank] = count(rank);
    }
    return counts;
  }
}
