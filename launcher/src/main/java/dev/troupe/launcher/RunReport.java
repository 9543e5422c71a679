package dev.troupe.launcher;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import dev.troupe.rlhf.stage.Part;
import dev.troupe.rlhf.stage.Stages;
import java.io.PrintWriter;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** The last lines of a run, made from its summary.json. */
final class RunReport {
  /** Metrics of an evaluation, as a person calls them. */
  private static final Map<String, String> MEASURES =
      Map.of(
          "score", "score",
          "ruleSatisfied", "rule satisfied",
          "wellFormed", "well formed",
          "responseLength", "response length");

  /** Letters of a sample that are shown: about two lines of a terminal, and three. */
  private static final int LONGEST_PROMPT = 160;

  private static final int LONGEST_REPLY = 240;

  private static final Pattern TEMPLATE_MARKS =
      Pattern.compile(
          "<\\|[^|<>\\s]{1,40}\\|>|</?s>|<(?:bos|eos|start_of_turn|end_of_turn)>|\\[/?INST]");

  /** A letter with its marks, or an emoji of several code points. */
  private static final Pattern CHARACTER = Pattern.compile("\\X");

  private RunReport() {}

  /**
   * @param samples replies shown before and after, by stage
   */
  static void print(String summaryJson, Map<String, Integer> samples, PrintWriter out)
      throws JsonProcessingException {
    JsonNode summary = OutputJson.mapper().readTree(summaryJson);
    out.println();
    out.println("stages");
    for (JsonNode stage : summary.path("stages")) {
      out.println("  " + stageLine(stage));
    }
    // What a stage starts from, and is compared with, is what the one before made of the policy.
    String start = "the start";
    for (JsonNode stage : summary.path("stages")) {
      if (stage.has("before") && stage.path("before").has("replies")) {
        beforeAndAfter(stage, start, samples.getOrDefault(stage.path("stage").asText(), 3), out);
      }
      String name = stage.path("stage").asText();
      if (Stages.named(name).filter(known -> known.gives() == Part.POLICY).isPresent()) {
        start = name.toUpperCase(Locale.ROOT);
      }
    }
    out.println();
    out.println("account of samples");
    for (JsonNode stage : summary.path("stages")) {
      out.println("  " + accountLine(stage));
    }
    out.flush();
  }

  private static String stageLine(JsonNode stage) {
    StringBuilder line =
        new StringBuilder(
            String.format(
                Locale.ROOT,
                "%-9s %6.1f s",
                stage.path("stage").asText(),
                stage.path("seconds").asDouble()));
    number(line, stage, "finalLoss", "loss");
    number(line, stage, "heldOutLossBefore", "held-out loss before");
    number(line, stage, "heldOutLossAfter", "after");
    for (JsonNode accuracy :
        List.of(stage.path("after").path("accuracy"), stage.path("accuracy"))) {
      if (accuracy.has("share")) {
        line.append("  held-out accuracy ").append(share(accuracy));
      }
    }
    number(line, stage, "kl", "KL");
    if (stage.path("best").has("metric")) {
      line.append("  best ")
          .append(stage.path("best").path("metric").asText())
          .append(' ')
          .append(Progress.number(stage.path("best").path("value").asDouble()))
          .append(" after step ")
          .append(stage.path("best").path("step").asLong());
    }
    if (stage.path("stoppedEarly").asBoolean()) {
      line.append("  (stopped early)");
    }
    if (stage.path("cancelled").asBoolean()) {
      line.append("  (interrupted)");
    }
    return line.toString();
  }

  private static void number(StringBuilder line, JsonNode stage, String key, String label) {
    if (stage.path(key).isNumber()) {
      line.append("  ")
          .append(label)
          .append(' ')
          .append(Progress.number(stage.path(key).asDouble()));
    }
  }

  private static void beforeAndAfter(JsonNode stage, String start, int samples, PrintWriter out) {
    out.println();
    out.printf(
        Locale.ROOT,
        "%-26s %10s %10s%n",
        "on held-out prompts",
        start.equals("the start") ? "before" : "after " + start,
        "after " + stage.path("stage").asText().toUpperCase(Locale.ROOT));
    List<String> parts = parts(stage.path("before").path("metrics"));
    List<String> keys = new ArrayList<>(List.of("score"));
    keys.addAll(parts.size() > 1 ? parts : List.of()); // one alone is the score
    keys.addAll(List.of("ruleSatisfied", "wellFormed", "responseLength"));
    for (String key : keys) {
      JsonNode before = stage.path("before").path("metrics").path(key);
      JsonNode after = stage.path("after").path("metrics").path(key);
      if (before.isNumber()) {
        boolean isShare = key.equals("ruleSatisfied") || key.equals("wellFormed");
        out.printf(
            Locale.ROOT,
            "  %-24s %10s %10s%n",
            key.equals("score") && parts.isEmpty()
                ? "score (reward model)"
                : MEASURES.getOrDefault(key, key),
            measure(before, isShare),
            measure(after, isShare));
      }
    }
    if (stage.path("winRate").has("share")) {
      out.println(
          String.format(Locale.ROOT, "  win rate against %-8s", start)
              + share(stage.path("winRate")));
    }
    if (stage.path("oracleWinRate").has("share")) {
      out.println("  win rate by the oracle   " + share(stage.path("oracleWinRate")));
    }
    JsonNode replies = stage.path("before").path("replies");
    for (int i = 0; i < Math.min(samples, replies.size()); i++) {
      out.println();
      JsonNode after = stage.path("after").path("replies").path(i);
      out.println("  prompt  " + end(replies.get(i).path("prompt").asText()));
      out.println("  before  " + beginning(replies.get(i).path("reply").asText()));
      out.println(
          "  after   " + (after.has("reply") ? beginning(after.path("reply").asText()) : "–"));
    }
  }

  /** What a score is the sum of, where it is one of several. */
  private static List<String> parts(JsonNode metrics) {
    List<String> parts = new ArrayList<>();
    metrics
        .fieldNames()
        .forEachRemaining(
            name -> {
              if (name.startsWith("rewards.")) {
                parts.add(name);
              }
            });
    return parts;
  }

  /** What was not measured is no number, and a dash. */
  private static String measure(JsonNode value, boolean isShare) {
    if (!value.isNumber()) {
      return "–";
    }
    return isShare
        ? String.format(Locale.ROOT, "%.1f %%", 100 * value.asDouble())
        : Progress.number(value.asDouble());
  }

  /** A proportion with its interval. */
  private static String share(JsonNode proportion) {
    return String.format(
        Locale.ROOT,
        "%.1f %% (95 %%: %.1f to %.1f, n = %d)",
        100 * proportion.path("share").asDouble(),
        100 * proportion.path("low").asDouble(),
        100 * proportion.path("high").asDouble(),
        proportion.path("total").asLong());
  }

  private static String accountLine(JsonNode stage) {
    JsonNode account = stage.path("account");
    List<String> dropped = new ArrayList<>();
    for (Map.Entry<String, JsonNode> entry : account.path("dropped").properties()) {
      dropped.add(entry.getValue().asLong() + " " + entry.getKey());
    }
    return String.format(
        Locale.ROOT,
        "%-9s issued %d, trained %d, dropped %s",
        stage.path("stage").asText(),
        account.path("issued").asLong(),
        account.path("trained").asLong(),
        dropped.isEmpty() ? "none" : String.join(", ", dropped));
  }

  /** Of a prompt the end, which is what is answered. */
  static String end(String text) {
    String line = line(text);
    if (line.length() <= LONGEST_PROMPT) {
      return line;
    }
    int from = line.indexOf(' ', line.length() - LONGEST_PROMPT) + 1;
    return "… " + line.substring(from > 0 ? from : boundary(line, line.length() - LONGEST_PROMPT));
  }

  /** Of a reply the beginning, and how much more there is. */
  static String beginning(String text) {
    String line = line(text);
    if (line.length() <= LONGEST_REPLY) {
      return line;
    }
    int to = line.lastIndexOf(' ', LONGEST_REPLY);
    String shown = line.substring(0, to > 0 ? to : boundary(line, LONGEST_REPLY));
    return shown + " … (" + (line.length() - shown.length()) + " more letters)";
  }

  /** On one line, without the marks that a chat template puts around turns. */
  private static String line(String text) {
    return TEMPLATE_MARKS
        .matcher(text)
        .replaceAll(" ")
        .strip()
        .replaceAll("[ \\t]+", " ")
        .replaceAll(" ?\\n\\s*", " ⏎ ");
  }

  /** The first place from {@code at} on that is not within what a reader takes for a character. */
  private static int boundary(String text, int at) {
    Matcher characters = CHARACTER.matcher(text);
    int end = 0;
    while (end < at && characters.find()) {
      end = characters.end();
    }
    return end;
  }
}
