package dev.troupe.engine;

import java.util.ArrayList;
import java.util.Collections;
import java.util.Comparator;
import java.util.List;
import java.util.stream.IntStream;

/**
 * Rows of a micro-batch that attention takes together, padded to the longest of them.
 *
 * @param width tokens of each row, padding included
 * @param rows their places in the micro-batch
 */
record Section(int width, List<Integer> rows) {
  /**
   * What one more section costs, in tokens of padding: its operations in each layer, as many as it
   * has of one row or of twenty (docs/adr/0020-packing-by-sections.md).
   */
  static final int PRICE = 8;

  /** All rows in one section, in their order. */
  static List<Section> one(int[] lengths) {
    return List.of(
        new Section(longest(lengths), IntStream.range(0, lengths.length).boxed().toList()));
  }

  /** Rows of near lengths in sections of their own, longest first, for the least cost. */
  static List<Section> several(int[] lengths) {
    List<Section> equal = ofOneLength(lengths);
    int count = equal.size();
    // Of the cheapest cut of the first i lengths: what it costs, and where its last section begins.
    long[] cost = new long[count + 1];
    int[] from = new int[count + 1];
    for (int end = 1; end <= count; end++) {
      cost[end] = Long.MAX_VALUE;
      long rows = 0;
      for (int i = end - 1; i >= 0; i--) {
        rows += equal.get(i).rows().size();
        long all = cost[i] + rows * equal.get(i).width() + PRICE;
        if (all < cost[end]) {
          cost[end] = all;
          from[end] = i;
        }
      }
    }
    List<Section> sections = new ArrayList<>();
    for (int end = count; end > 0; end = from[end]) {
      List<Section> together = equal.subList(from[end], end);
      sections.add(
          new Section(
              together.get(0).width(),
              together.stream().flatMap(section -> section.rows().stream()).toList()));
    }
    Collections.reverse(sections);
    return sections;
  }

  /** Rows of one length each, longest first: a cheapest cut does not part them. */
  private static List<Section> ofOneLength(int[] lengths) {
    List<Section> out = new ArrayList<>();
    IntStream.range(0, lengths.length)
        .boxed()
        .sorted(Comparator.comparing((Integer row) -> lengths[row]).reversed())
        .forEach(
            row -> {
              if (out.isEmpty() || out.get(out.size() - 1).width() != lengths[row]) {
                out.add(new Section(lengths[row], new ArrayList<>()));
              }
              out.get(out.size() - 1).rows().add(row);
            });
    return out;
  }

  /** Tokens of all, padding included. */
  static long tokens(List<Section> sections) {
    return sections.stream()
        .mapToLong(section -> (long) section.width() * section.rows().size())
        .sum();
  }

  private static int longest(int[] lengths) {
    return IntStream.of(lengths).max().orElseThrow();
  }
}
