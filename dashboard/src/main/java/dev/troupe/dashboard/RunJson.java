package dev.troupe.dashboard;

import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.troupe.dashboard.RunView.Stage;
import dev.troupe.dashboard.RunView.Timed;
import dev.troupe.protocol.event.MembersChanged;
import dev.troupe.protocol.event.Notice;
import dev.troupe.protocol.event.RoleChanged;
import dev.troupe.protocol.event.RolloutRecorded;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.function.Function;

/** What the page and scripts read of a run, as JSON. A number that is not finite is null. */
final class RunJson {
  private static final JsonNodeFactory JSON = JsonNodeFactory.instance;

  /** Characters of a rollout's texts in the list; the whole is in the rollout itself. */
  private static final int EXCERPT = 400;

  private RunJson() {}

  /**
   * The run, with the series of one stage.
   *
   * @param stage whose series; by default of the current one
   */
  static ObjectNode run(RunView view, Optional<String> stage) {
    ObjectNode json =
        JSON.objectNode()
            .put("sequence", view.sequence())
            .put("timeMillis", view.timeMillis())
            .put("serverMillis", System.currentTimeMillis())
            .put("run", view.run())
            .put("state", name(view.state()))
            .put("startedMillis", view.startedMillis())
            .put("completedMillis", view.completedMillis())
            .put("message", view.message())
            .put("version", view.version())
            .put("resumed", view.resumed())
            .put("hasConfiguration", !view.configuration().isEmpty())
            .put("rolloutCount", view.rolloutCount());
    json.set("stages", array(view.stages(), RunJson::stage));
    json.set("actors", array(view.actors(), RunJson::actor));
    json.set("members", array(view.members(), RunJson::member));
    ObjectNode recoveries = json.putObject("recoveries");
    view.recoveries().forEach(recoveries::put);
    json.set("notices", array(view.notices(), RunJson::notice));
    json.set("rollouts", array(view.rollouts(), RunJson::excerpt));
    EndResults.of(view.summaryJson()).ifPresent(summary -> json.set("summary", summary));
    stage.flatMap(view::stage).or(view::currentStage).ifPresent(s -> json.set("series", series(s)));
    return json;
  }

  private static ObjectNode stage(Stage stage) {
    ObjectNode json =
        JSON.objectNode()
            .put("name", stage.name())
            .put("state", name(stage.state()))
            .put("step", stage.step())
            .put("totalSteps", stage.totalSteps())
            .put("startedMillis", stage.startedMillis());
    stage.seconds().ifPresent(seconds -> json.put("seconds", seconds));
    stage.secondsLeft().ifPresent(seconds -> json.put("secondsLeft", seconds));
    json.set("results", numbers(stage.results()));
    json.set("latest", numbers(stage.latest()));
    json.set("phaseSeconds", numbers(stage.phaseSeconds()));
    return json;
  }

  private static ObjectNode series(Stage stage) {
    ObjectNode json = JSON.objectNode().put("stage", stage.name());
    json.set("metrics", lines(stage.metrics()));
    json.set("phases", lines(stage.phases()));
    return json;
  }

  private static ObjectNode lines(Map<String, List<Series.Point>> lines) {
    ObjectNode json = JSON.objectNode();
    lines.forEach(
        (name, points) -> {
          ObjectNode line = json.putObject(name);
          ArrayNode steps = line.putArray("steps");
          ArrayNode values = line.putArray("values");
          for (Series.Point point : points) {
            steps.add(point.step());
            add(values, point.value());
          }
        });
    return json;
  }

  private static ObjectNode actor(Timed<RoleChanged> entry) {
    RoleChanged actor = entry.value();
    ObjectNode json =
        JSON.objectNode()
            .put("role", actor.getRole())
            .put("node", actor.getNode())
            .put("state", actor.getState())
            .put("activity", actor.getActivity())
            .put("adapterVersion", actor.getAdapterVersion())
            .put("sinceMillis", entry.timeMillis());
    ObjectNode memory = json.putObject("memoryBytes");
    actor.getMemoryBytesMap().entrySet().stream()
        .sorted(Map.Entry.comparingByKey())
        .forEach(bytes -> memory.put(bytes.getKey(), bytes.getValue()));
    return json;
  }

  private static ObjectNode member(MembersChanged.Member member) {
    ObjectNode json =
        JSON.objectNode()
            .put("address", member.getAddress())
            .put("status", member.getStatus())
            .put("leader", member.getLeader());
    ArrayNode roles = json.putArray("roles");
    member.getRolesList().forEach(roles::add);
    return json;
  }

  private static ObjectNode notice(Timed<Notice> entry) {
    return JSON.objectNode()
        .put("sequence", entry.sequence())
        .put("timeMillis", entry.timeMillis())
        .put("severity", entry.value().getSeverity())
        .put("stage", entry.value().getStage())
        .put("text", entry.value().getText());
  }

  private static ObjectNode excerpt(Timed<RolloutRecorded> entry) {
    RolloutRecorded rollout = entry.value();
    ObjectNode json = head(entry);
    return json.put("prompt", cut(rollout.getPrompt()))
        .put("response", cut(rollout.getResponse()))
        .put(
            "tokenCount",
            rollout.getSampledCount() > 0 ? rollout.getSampledCount() : rollout.getTokensCount());
  }

  private static ObjectNode head(Timed<RolloutRecorded> entry) {
    RolloutRecorded rollout = entry.value();
    ObjectNode json =
        JSON.objectNode()
            .put("id", entry.sequence())
            .put("timeMillis", entry.timeMillis())
            .put("stage", rollout.getStage())
            .put("step", rollout.getStep())
            .put("promptId", rollout.getPromptId())
            .put("finish", rollout.getFinish())
            .put("adapterVersion", rollout.getAdapterVersion());
    put(json, "score", rollout.hasScore() ? rollout.getScore() : Double.NaN);
    return json;
  }

  /** One rollout, whole, with its account per token. */
  static ObjectNode rollout(Timed<RolloutRecorded> entry) {
    RolloutRecorded rollout = entry.value();
    ObjectNode json =
        head(entry).put("prompt", rollout.getPrompt()).put("response", rollout.getResponse());
    ArrayNode tokens = json.putArray("tokens");
    rollout.getTokensList().forEach(tokens::add);
    floats(json.putArray("logprobs"), placed(rollout, rollout.getLogprobsList()));
    floats(json.putArray("refLogprobs"), placed(rollout, rollout.getRefLogprobsList()));
    floats(json.putArray("values"), placed(rollout, rollout.getValuesList()));
    floats(json.putArray("rewards"), placed(rollout, rollout.getRewardsList()));
    floats(json.putArray("advantages"), placed(rollout, rollout.getAdvantagesList()));
    return json;
  }

  /** Beside the tokens that they are of; one that was only read has none. */
  private static List<Float> placed(RolloutRecorded rollout, List<Float> values) {
    if (rollout.getSampledCount() == 0 || values.isEmpty()) {
      return values;
    }
    List<Float> all = new ArrayList<>(Collections.nCopies(rollout.getTokensCount(), Float.NaN));
    for (int i = 0; i < Math.min(values.size(), rollout.getSampledCount()); i++) {
      if (rollout.getSampled(i) < all.size()) {
        all.set(rollout.getSampled(i), values.get(i));
      }
    }
    return all;
  }

  private static void floats(ArrayNode array, List<Float> values) {
    for (float value : values) {
      if (Float.isFinite(value)) {
        array.add(value);
      } else {
        array.addNull();
      }
    }
  }

  private static ObjectNode numbers(Map<String, Double> numbers) {
    ObjectNode json = JSON.objectNode();
    numbers.forEach((name, value) -> put(json, name, value));
    return json;
  }

  private static void put(ObjectNode json, String name, double value) {
    if (Double.isFinite(value)) {
      json.put(name, value);
    } else {
      json.putNull(name);
    }
  }

  private static void add(ArrayNode array, double value) {
    if (Double.isFinite(value)) {
      array.add(value);
    } else {
      array.addNull();
    }
  }

  private static <T> ArrayNode array(List<T> items, Function<T, ObjectNode> each) {
    ArrayNode array = JSON.arrayNode();
    items.forEach(item -> array.add(each.apply(item)));
    return array;
  }

  /** For a list. */
  static String cut(String text) {
    if (text.length() <= EXCERPT) {
      return text;
    }
    // Not between the halves of a surrogate pair.
    int end = Character.isHighSurrogate(text.charAt(EXCERPT - 1)) ? EXCERPT - 1 : EXCERPT;
    return text.substring(0, end) + "…";
  }

  private static String name(Enum<?> constant) {
    return constant.name().toLowerCase(Locale.ROOT);
  }
}
