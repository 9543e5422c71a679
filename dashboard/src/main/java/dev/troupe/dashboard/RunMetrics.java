package dev.troupe.dashboard;

import dev.troupe.dashboard.RunView.Stage;
import dev.troupe.dashboard.RunView.Timed;
import dev.troupe.protocol.event.RoleChanged;
import io.micrometer.core.instrument.Counter;
import io.micrometer.core.instrument.Gauge;
import io.micrometer.core.instrument.Tags;
import io.micrometer.prometheusmetrics.PrometheusConfig;
import io.micrometer.prometheusmetrics.PrometheusMeterRegistry;
import java.util.Locale;

/**
 * A run in Prometheus' text format. Every scrape is made anew from the view, so it keeps no state.
 */
final class RunMetrics {
  static final String CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8";

  private final PrometheusMeterRegistry registry =
      new PrometheusMeterRegistry(PrometheusConfig.DEFAULT);

  private RunMetrics() {}

  static String text(RunView view) {
    RunMetrics metrics = new RunMetrics();
    try {
      metrics.run(view);
      view.stages().forEach(metrics::stage);
      view.actors().stream().map(Timed::value).forEach(metrics::actor);
      return metrics.registry.scrape("text/plain; version=0.0.4");
    } finally {
      metrics.registry.close();
    }
  }

  private void run(RunView view) {
    for (RunView.State state : RunView.State.values()) {
      gauge(
          "troupe.run.state",
          "1 for the state the run is in",
          Tags.of("run", view.run(), "state", name(state)),
          state == view.state() ? 1 : 0);
    }
    gauge(
        "troupe.run.last.event.timestamp.seconds",
        "Unix time of the newest event",
        Tags.empty(),
        view.timeMillis() / 1000.0);
    counter("troupe.run.events", "Events so far", Tags.empty(), (double) view.sequence());
    counter(
        "troupe.rollouts.recorded",
        "Rollouts recorded so far",
        Tags.empty(),
        (double) view.rolloutCount());
    view.noticeCounts()
        .forEach(
            (severity, count) ->
                counter("troupe.notices", "Notices so far", Tags.of("severity", severity), count));
    view.recoveries()
        .forEach(
            (what, count) ->
                counter(
                    "troupe.recoveries",
                    "Times that the run went on after a process was lost: all of it from a checkpoint"
                        + " (run), or without a rollout worker (rollout)",
                    Tags.of("what", what),
                    count));
    view.members().stream()
        .forEach(
            member ->
                gauge(
                    "troupe.cluster.member",
                    "1 for each member of the cluster",
                    Tags.of("address", member.getAddress(), "status", member.getStatus()),
                    1));
  }

  private void stage(Stage stage) {
    Tags tags = Tags.of("stage", stage.name());
    for (RunView.StageState state : RunView.StageState.values()) {
      gauge(
          "troupe.stage.state",
          "1 for the state the stage is in",
          tags.and("state", name(state)),
          state == stage.state() ? 1 : 0);
    }
    gauge("troupe.stage.step", "Steps done", tags, (double) stage.step());
    gauge("troupe.stage.planned.steps", "Steps to do in all", tags, (double) stage.totalSteps());
    stage
        .phaseSeconds()
        .forEach(
            (phase, seconds) ->
                counter(
                    "troupe.stage.phase.seconds",
                    "Time by phase",
                    tags.and("phase", phase),
                    seconds));
    stage.latest().forEach((metric, value) -> stepMetric(tags, metric, value));
  }

  /** One that is not a finite number is absent. */
  private void stepMetric(Tags tags, String metric, double value) {
    if (Double.isFinite(value)) {
      gauge(
          "troupe.step." + snakeCase(metric),
          "Metric " + metric + " of the newest step, see docs/metrics.md",
          tags,
          value);
    }
  }

  private void actor(RoleChanged actor) {
    Tags tags = Tags.of("role", actor.getRole(), "node", actor.getNode());
    gauge(
        "troupe.actor.state",
        "1 for the state the actor is in",
        tags.and("state", actor.getState()),
        1);
    gauge(
        "troupe.actor.adapter.version",
        "Version of its adapter",
        tags,
        (double) actor.getAdapterVersion());
    actor
        .getMemoryBytesMap()
        .forEach(
            (purpose, bytes) ->
                gauge(
                    "troupe.actor.memory.bytes",
                    "Native memory by purpose",
                    tags.and("purpose", purpose),
                    bytes));
  }

  private void gauge(String name, String help, Tags tags, double value) {
    Gauge.builder(name, () -> value).description(help).tags(tags).register(registry);
  }

  private void counter(String name, String help, Tags tags, double value) {
    Counter.builder(name).description(help).tags(tags).register(registry).increment(value);
  }

  private static String name(Enum<?> constant) {
    return constant.name().toLowerCase(Locale.ROOT);
  }

  /** For example tokensPerSecond as tokens_per_second. */
  static String snakeCase(String camelCase) {
    return camelCase
        .replaceAll("([a-z0-9])([A-Z])", "$1_$2")
        .replaceAll("[^A-Za-z0-9_]", "_")
        .toLowerCase(Locale.ROOT);
  }
}
