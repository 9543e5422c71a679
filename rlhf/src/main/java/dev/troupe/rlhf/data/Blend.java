package dev.troupe.rlhf.data;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/** Several sources as one. */
public final class Blend {
  private Blend() {}

  /**
   * Draws from each source its share by weight. With shares p_i = w_i / Σw and sizes N_i the blend
   * has as many records as it can have without repeating one: L = min_i N_i/p_i, of which
   * round(L·p_i) come from source i, drawn at random without replacement. An epoch is one pass over
   * the blend; the same seed draws the same records.
   *
   * @param sources the records of each
   * @param weights one per source, above 0
   * @param seed of the draw
   * @return the drawn records, source after source, in each source's order
   */
  public static <T> List<T> byWeight(List<List<T>> sources, List<Double> weights, long seed) {
    if (sources.size() != weights.size()) {
      throw new IllegalArgumentException(
          sources.size() + " sources and " + weights.size() + " weights, they must be equal");
    }
    double sum = weights.stream().mapToDouble(Double::doubleValue).sum();
    double length = Double.POSITIVE_INFINITY;
    for (int i = 0; i < sources.size(); i++) {
      length = Math.min(length, sources.get(i).size() * sum / weights.get(i));
    }
    List<T> blend = new ArrayList<>();
    for (int i = 0; i < sources.size(); i++) {
      List<T> source = sources.get(i);
      int count = (int) Math.min(source.size(), Math.round(length * weights.get(i) / sum));
      int[] drawn = Arrays.copyOf(Permutation.of(source.size(), Permutation.mix(seed, i)), count);
      Arrays.sort(drawn);
      for (int index : drawn) {
        blend.add(source.get(index));
      }
    }
    return blend;
  }
}
