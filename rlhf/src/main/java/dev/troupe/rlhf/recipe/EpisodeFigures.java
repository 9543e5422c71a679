package dev.troupe.rlhf.recipe;

import dev.troupe.protocol.data.Episode;
import dev.troupe.protocol.data.Rollout;
import java.util.Map;

/** What episodes come to as metrics; nothing of answers given at once. */
final class EpisodeFigures {
  private EpisodeFigures() {}

  /** Of one answer that did not fail. */
  static void add(Averages averages, Rollout rollout) {
    if (rollout.episode().isEmpty()) {
      return;
    }
    Episode episode = rollout.episode().get();
    averages.add("turns", episode.turns());
    averages.add("toolCalls", episode.calls());
    averages.add("toolFailures", episode.failedCalls());
    averages.add("observationTokens", rollout.response().size() - rollout.length());
    for (Map.Entry<String, Double> part : episode.parts().entrySet()) {
      averages.add("environment." + part.getKey(), part.getValue());
    }
  }
}
