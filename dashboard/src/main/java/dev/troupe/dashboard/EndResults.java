package dev.troupe.dashboard;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.Optional;

/** What the page shows of a run's summary: all of its figures, few of its texts. */
final class EndResults {
  private static final ObjectMapper JSON = new ObjectMapper();

  /** Replies before and after, of each stage. */
  private static final int SAMPLES = 3;

  private EndResults() {}

  /** Nothing before the end, and of a run that failed. */
  static Optional<ObjectNode> of(String summaryJson) {
    JsonNode summary;
    try {
      summary = JSON.readTree(summaryJson);
    } catch (JsonProcessingException e) {
      return Optional.empty();
    }
    if (!(summary instanceof ObjectNode results) || !results.has("stages")) {
      return Optional.empty();
    }
    for (JsonNode stage : results.path("stages")) {
      for (String when : new String[] {"before", "after"}) {
        if (stage.path(when) instanceof ObjectNode evaluation) {
          evaluation.remove("scores");
          shorten(evaluation);
        }
      }
    }
    return Optional.of(results);
  }

  private static void shorten(ObjectNode evaluation) {
    if (evaluation.path("replies") instanceof ArrayNode replies) {
      while (replies.size() > SAMPLES) {
        replies.remove(replies.size() - 1);
      }
      for (JsonNode reply : replies) {
        if (reply instanceof ObjectNode texts) {
          texts.put("prompt", RunJson.cut(texts.path("prompt").asText()));
          texts.put("reply", RunJson.cut(texts.path("reply").asText()));
        }
      }
    }
  }
}
