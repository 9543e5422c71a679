package dev.troupe.launcher;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.troupe.rlhf.evaluation.Classification;
import dev.troupe.rlhf.evaluation.EpisodeMeasure;
import dev.troupe.rlhf.evaluation.Mean;
import dev.troupe.rlhf.evaluation.Perplexity;
import dev.troupe.rlhf.evaluation.RewardMeasure;
import dev.troupe.rlhf.evaluation.WinRate;
import dev.troupe.rlhf.recipe.Proportion;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.SortedMap;

/** What {@code troupe eval} measured, as JSON and as lines for a person. */
final class EvalReport {
  private static final ObjectMapper JSON = OutputJson.mapper();

  private final ObjectNode json = JSON.createObjectNode();
  private final List<String> lines = new ArrayList<>();

  void model(String model, String adapter) {
    json.put("model", model);
    lines.add("model          " + model);
    if (!adapter.isEmpty()) {
      json.put("adapter", adapter);
      lines.add("adapter        " + adapter);
    }
  }

  void perplexity(Perplexity measure) {
    ObjectNode node = json.putObject("perplexity");
    node.put("perplexity", measure.perplexity());
    node.put("loss", measure.loss());
    node.put("texts", measure.texts());
    node.put("tokens", measure.tokens());
    lines.add(
        String.format(
            Locale.ROOT,
            "perplexity     %.4f  (%.4f nats a token, %d texts, %d tokens)",
            measure.perplexity(),
            measure.loss(),
            measure.texts(),
            measure.tokens()));
  }

  void answers(String key, RewardMeasure measure) {
    ObjectNode node = json.putObject(key);
    node.put("problems", measure.problems());
    node.put("answers", measure.answers());
    node.set("score", json(measure.score()));
    ObjectNode rewards = node.putObject("rewards");
    measure.parts().forEach((name, mean) -> rewards.set(name, json(mean)));
    lines.add(
        String.format(
            Locale.ROOT, "%-14s %d to %d problems", key, measure.answers(), measure.problems()));
    lines.add("  score        " + text(measure.score()));
    // Beside the score's own and others' rows, whatever the rewards are called.
    measure.parts().forEach((name, mean) -> lines.add(row("reward " + name, text(mean))));
    measure
        .right()
        .ifPresent(
            right -> {
              node.set("right", json(right));
              lines.add("  right        " + text(right));
            });
    if (!measure.passAtK().isEmpty()) {
      ObjectNode pass = node.putObject("passAtK");
      measure
          .passAtK()
          .forEach(
              (k, share) -> {
                pass.set(String.valueOf(k), json(share));
                lines.add(row("pass@" + k, text(share)));
              });
    }
    node.set("responseLength", json(measure.length()));
    node.set("endedFraction", json(measure.ended()));
    lines.add("  length       " + text(measure.length()) + " tokens");
    lines.add("  ended        " + text(measure.ended()));
    measure.episodes().ifPresent(episodes -> episodes(node, episodes));
    leftOut(node, measure.leftOut());
  }

  private void episodes(ObjectNode answers, EpisodeMeasure measure) {
    ObjectNode node = answers.putObject("episodes");
    node.put("played", measure.played());
    ObjectNode ends = node.putObject("ends");
    List<String> counts = new ArrayList<>();
    measure
        .ends()
        .forEach(
            (end, count) -> {
              String name = end.name().toLowerCase(Locale.ROOT);
              ends.put(name, count);
              counts.add(count + " " + name);
            });
    lines.add("  episodes     " + measure.played() + ": " + String.join(", ", counts));
    measure
        .figures()
        .forEach(
            (name, mean) -> {
              node.set(name, json(mean));
              lines.add(row(name, text(mean)));
            });
  }

  private void leftOut(ObjectNode node, SortedMap<String, Integer> leftOut) {
    ObjectNode reasons = node.putObject("leftOut");
    leftOut.forEach(
        (reason, count) -> {
          reasons.put(reason, count);
          lines.add("  left out     " + count + ": " + reason);
        });
  }

  void winRate(WinRate measure) {
    ObjectNode node = json.putObject("winRate");
    node.setAll(json(measure.rate()));
    node.put("wins", measure.wins());
    node.put("ties", measure.ties());
    node.put("losses", measure.losses());
    node.put("leftOut", measure.leftOut());
    lines.add(
        String.format(
            Locale.ROOT,
            "win rate       %s  (%d won, %d tied, %d lost, %d left out)",
            text(measure.rate()),
            measure.wins(),
            measure.ties(),
            measure.losses(),
            measure.leftOut()));
  }

  void classification(Classification measure) {
    ObjectNode node = json.putObject("classification");
    node.set("accuracy", json(measure.accuracy()));
    node.put("majority", measure.majority());
    node.put("loss", measure.loss());
    node.put("examples", measure.examples());
    node.put("ties", measure.ties());
    ObjectNode table = node.putObject("confusion");
    measure
        .confusion()
        .forEach(
            (label, row) -> {
              ObjectNode found = table.putObject(label);
              row.forEach((other, count) -> found.put(other, count));
            });
    lines.add(
        String.format(
            Locale.ROOT,
            "classification %s  (%d examples shown; the most frequent label alone: %.4f; ties %d)",
            text(measure.accuracy()),
            measure.examples(),
            measure.majority(),
            measure.ties()));
    int width = measure.confusion().keySet().stream().mapToInt(String::length).max().orElseThrow();
    int cell = Math.max(width, 6);
    StringBuilder head = new StringBuilder("  " + pad("is \\ found", Math.max(width, 10)));
    measure.confusion().keySet().forEach(name -> head.append("  ").append(padLeft(name, cell)));
    lines.add(head.toString());
    for (Map.Entry<String, SortedMap<String, Integer>> row : measure.confusion().entrySet()) {
      StringBuilder line = new StringBuilder("  " + pad(row.getKey(), Math.max(width, 10)));
      row.getValue()
          .values()
          .forEach(count -> line.append("  ").append(padLeft(String.valueOf(count), cell)));
      lines.add(line.toString());
    }
  }

  String text() {
    return String.join(System.lineSeparator(), lines);
  }

  JsonNode json() {
    return json;
  }

  private static String row(String name, String value) {
    return "  " + pad(name, 12) + " " + value;
  }

  private static String pad(String text, int width) {
    return text + " ".repeat(Math.max(0, width - text.length()));
  }

  private static String padLeft(String text, int width) {
    return " ".repeat(Math.max(0, width - text.length())) + text;
  }

  private static String text(Mean mean) {
    String value = String.format(Locale.ROOT, "%.4f", mean.mean());
    return mean.low().isEmpty() || mean.high().isEmpty()
        ? value
        : value
            + String.format(
                Locale.ROOT, "  [%.4f, %.4f]", mean.low().getAsDouble(), mean.high().getAsDouble());
  }

  private static String text(Proportion share) {
    return String.format(
        Locale.ROOT, "%.4f  [%.4f, %.4f]", share.share(), share.low(), share.high());
  }

  private static ObjectNode json(Mean mean) {
    ObjectNode node = JSON.createObjectNode();
    node.put("mean", mean.mean());
    mean.low().ifPresent(low -> node.put("low", low));
    mean.high().ifPresent(high -> node.put("high", high));
    node.put("count", mean.count());
    return node;
  }

  private static ObjectNode json(Proportion share) {
    ObjectNode node = JSON.createObjectNode();
    node.put("share", share.share());
    node.put("low", share.low());
    node.put("high", share.high());
    node.put("count", share.total());
    return node;
  }
}
