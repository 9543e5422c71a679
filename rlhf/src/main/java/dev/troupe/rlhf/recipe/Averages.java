package dev.troupe.rlhf.recipe;

import dev.troupe.protocol.data.UpdateResult;
import java.util.HashMap;
import java.util.Map;
import java.util.TreeMap;

/** Means of metrics over the optimiser steps of one round. */
final class Averages {
  private final Map<String, Double> sums = new TreeMap<>();
  private final Map<String, Integer> counts = new HashMap<>();

  void add(String name, double value) {
    sums.merge(name, value, Double::sum);
    counts.merge(name, 1, Integer::sum);
  }

  void addAll(UpdateResult result) {
    result.metrics().forEach(this::add);
  }

  Map<String, Double> means() {
    Map<String, Double> means = new TreeMap<>();
    sums.forEach((name, sum) -> means.put(name, sum / counts.getOrDefault(name, 1)));
    return means;
  }
}
