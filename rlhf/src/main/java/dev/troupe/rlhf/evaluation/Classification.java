package dev.troupe.rlhf.evaluation;

import dev.troupe.rlhf.recipe.Proportion;
import java.util.Collections;
import java.util.Map;
import java.util.Objects;
import java.util.SortedMap;
import java.util.TreeMap;

/**
 * What came of classifying records.
 *
 * @param accuracy share of the records whose label was found
 * @param majority the share that always saying the most frequent label would have found
 * @param loss mean negative logarithm of the right label's share of all labels' scores, in nats
 * @param confusion records by their label, then by the label that was found
 * @param ties records with several best labels, of which the first in the order of the alphabet was
 *     taken
 * @param examples shown with their labels, which are not among the records
 */
public record Classification(
    Proportion accuracy,
    double majority,
    double loss,
    SortedMap<String, SortedMap<String, Integer>> confusion,
    int ties,
    int examples) {
  public Classification {
    SortedMap<String, SortedMap<String, Integer>> rows = new TreeMap<>();
    confusion.forEach(
        (label, row) -> rows.put(label, Collections.unmodifiableSortedMap(new TreeMap<>(row))));
    confusion = Collections.unmodifiableSortedMap(rows);
  }

  /** Counts. */
  static final class Tally {
    private final SortedMap<String, SortedMap<String, Integer>> confusion = new TreeMap<>();
    private int ties;
    private double loss;

    Tally(Iterable<String> labels) {
      for (String actual : labels) {
        SortedMap<String, Integer> row = new TreeMap<>();
        labels.forEach(found -> row.put(found, 0));
        confusion.put(actual, row);
      }
    }

    /**
     * A record.
     *
     * @param scores of every label; none is NaN
     */
    void add(String actual, Map<String, Double> scores) {
      double most = Collections.max(scores.values());
      double all = scores.values().stream().mapToDouble(it -> Math.exp(it - most)).sum();
      loss -= Objects.requireNonNull(scores.get(actual)) - most - Math.log(all);
      ties += scores.values().stream().filter(score -> score == most).count() > 1 ? 1 : 0;
      String found =
          new TreeMap<>(scores)
              .entrySet().stream()
                  .filter(score -> score.getValue() == most)
                  .findFirst()
                  .orElseThrow()
                  .getKey();
      Objects.requireNonNull(confusion.get(actual)).merge(found, 1, Integer::sum);
    }

    Classification result(int examples) {
      int total = 0;
      int right = 0;
      int majority = 0;
      for (Map.Entry<String, SortedMap<String, Integer>> row : confusion.entrySet()) {
        int records = row.getValue().values().stream().mapToInt(Integer::intValue).sum();
        total += records;
        majority = Math.max(majority, records);
        right += Objects.requireNonNull(row.getValue().get(row.getKey()));
      }
      return new Classification(
          Proportion.of(right, total),
          (double) majority / total,
          loss / total,
          confusion,
          ties,
          examples);
    }
  }
}
