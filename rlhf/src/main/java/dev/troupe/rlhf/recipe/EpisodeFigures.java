package dev.troupe.rlhf.recipe;

import dev.troupe.protocol.data.Episode;
import dev.troupe.protocol.data.Rollout;
import java.util.Map;
import java.util.TreeMap;

/** What episodes come to as metrics; nothing of answers given at once. */
public final class EpisodeFigures {
  private EpisodeFigures() {}

  /** Of one answer that did not fail, by name. */
  public static Map<String, Double> of(Rollout rollout) {
    Map<String, Double> figures = new TreeMap<>();
    if (rollout.episode().isPresent()) {
      Episode episode = rollout.episode().get();
      figures.put("turns", (double) episode.turns());
      figures.put("toolCalls", (double) episode.calls());
      figures.put("toolFailures", (double) episode.failedCalls());
      figures.put("observationTokens", (double) (rollout.response().size() - rollout.length()));
      episode.parts().forEach((name, part) -> figures.put("environment." + name, part));
    }
    return figures;
  }

  static void add(Averages averages, Rollout rollout) {
    of(rollout).forEach(averages::add);
  }
}
