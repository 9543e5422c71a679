package dev.troupe.launcher;

import dev.troupe.actors.cluster.Ensemble;
import dev.troupe.actors.pipeline.PipelineConfig;
import dev.troupe.actors.pipeline.RunForecast;
import dev.troupe.actors.pipeline.StageDemands;
import dev.troupe.configuration.ConfigurationLoader;
import dev.troupe.models.checkpoint.Shape;
import dev.troupe.models.torch.Lanes;
import dev.troupe.rlhf.recipe.TuningConfig;
import dev.troupe.rlhf.stage.ConfiguredStage;
import dev.troupe.rlhf.stage.Forecast;
import dev.troupe.rlhf.stage.RoleUse;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.OptionalLong;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.Collectors;

/** What {@code troupe plan} says, a section each. */
final class PlanReport {
  private PlanReport() {}

  /** The keys that were given and differ from the defaults, and those that nothing reads. */
  static String settings(ConfigurationLoader.Loaded<PipelineConfig> loaded) {
    StringBuilder text = new StringBuilder("set, and other than the defaults\n");
    List<String> unused = new ArrayList<>();
    for (ConfigurationLoader.Setting setting : loaded.settings()) {
      if (!StageDemands.isUsed(loaded.value(), setting.key())) {
        unused.add(setting.key());
      } else if (setting.differs()) {
        text.append("  ").append(setting.key()).append(" = ").append(setting.value()).append('\n');
      }
    }
    if (!unused.isEmpty()) {
      text.append("set, and not used by these stages\n  ")
          .append(String.join(", ", unused))
          .append('\n');
    }
    return text.toString();
  }

  /** A line for each stage: what it learns from, and how much work it is. */
  static String stages(RunForecast forecast) {
    StringBuilder text = new StringBuilder();
    text.append(
        line("stage", "samples", "held out", "dropped", "steps", "a step", "tokens", "longest"));
    for (RunForecast.Planned planned : forecast.stages()) {
      Forecast stage = planned.forecast();
      long dropped = stage.dropped().values().stream().mapToLong(Long::longValue).sum();
      text.append(
          line(
              planned.name(),
              stage.samples() + " " + stage.what(),
              stage.heldOut().isPresent() ? count(stage.heldOut().getAsInt()) : "",
              stage.tokens().isPresent() ? count(dropped) : "",
              count(stage.steps()),
              count(Math.min(stage.samplesPerStep(), stage.samples())),
              stage.tokens().isPresent()
                  ? (stage.generated() ? "≤ " : "") + count(stage.tokens().getAsLong())
                  : "",
              stage.longest().isPresent() ? count(stage.longest().getAsInt()) : ""));
    }
    if (forecast.stages().stream().anyMatch(it -> it.forecast().tokens().isEmpty())) {
      text.append("  (tokens are known when pre-training has made the tokenizer)\n");
    }
    forecast.notices().values().forEach(notice -> text.append("  ").append(notice).append('\n'));
    return text.toString();
  }

  private static String line(
      String stage,
      String samples,
      String heldOut,
      String dropped,
      String steps,
      String perStep,
      String tokens,
      String longest) {
    return String.format(
                Locale.ROOT,
                "%-9s %14s %9s %8s %7s %7s %13s %8s",
                stage,
                samples,
                heldOut,
                dropped,
                steps,
                perStep,
                tokens,
                longest)
            .stripTrailing()
        + "\n";
  }

  private static String count(long number) {
    return String.format(Locale.ROOT, "%,d", number);
  }

  /** Where roles are, what they take and what is left. */
  static String resources(
      RunForecast forecast, MemoryPlan memory, OptionalLong available, DashboardPort port) {
    PipelineConfig config = forecast.config();
    StringBuilder text = new StringBuilder();
    text.append("roles     ").append(roles(config)).append('\n');
    ReplicaCores.idle(forecast, Lanes.on(memory.device()))
        .forEach(note -> text.append("sharing   ").append(note).append('\n'));
    text.append("trained   ").append(trained(config)).append('\n');
    text.append("memory    ").append(memory.summary(available)).append('\n');
    RunMemory.sharded(forecast, memory.device(), RunMemory.initialHeap())
        .forEach(role -> text.append("shards    ").append(sharded(role)).append('\n'));
    text.append("disk      about ")
        .append(MachineMemory.readable(forecast.diskBytes()))
        .append(" in ")
        .append(config.output())
        .append('\n');
    if (config.dashboard().enabled()) {
      text.append("page      ")
          .append(
              port.port() == 0
                  ? "on a free port of " + config.dashboard().host()
                  : "http://" + config.dashboard().host() + ":" + port.port() + "/")
          .append(port.notice().map(notice -> " (" + notice + ")").orElse(""))
          .append('\n');
    }
    return text.toString();
  }

  /** Of one of the nodes that hold a shard each. */
  static String sharded(RunMemory.Sharded role) {
    return String.format(
        Locale.ROOT,
        "%s %s on each of %d nodes: about %s, of which optimiser's state and gradient %s in the place of %s",
        role.stage(),
        role.role(),
        role.replicas(),
        MachineMemory.readable(role.node().neededBytes()),
        MachineMemory.readable(role.state()),
        MachineMemory.readable(role.whole()));
  }

  /** What each stage trains, and of how many parameters; heads of values are not counted. */
  static String trained(PipelineConfig config) {
    ModelSize model = RunMemory.model(config);
    long all = model.config().tensors().values().stream().mapToLong(Shape::elements).sum();
    return config.run().stream()
        .flatMap(
            stage ->
                stage.roles().stream()
                    .filter(role -> role.training().isPresent())
                    .map(role -> trained(stage.name(), role, model, all)))
        .collect(Collectors.joining("; "));
  }

  private static String trained(String stage, RoleUse role, ModelSize model, long all) {
    TuningConfig tuning = role.training().orElseThrow().tuning();
    long own = model.trainedParameters(tuning);
    return String.format(
        Locale.ROOT,
        "%s %s %s %s (%.3f %%)",
        stage,
        role.name(),
        tuning.type(),
        count(own),
        100.0 * own / all);
  }

  /** Those of the stage that plays the most come first. */
  static String roles(PipelineConfig config) {
    String names =
        config.run().stream()
            .map(ConfiguredStage::roles)
            .sorted(Comparator.comparing(roles -> -roles.size()))
            .flatMap(List::stream)
            .map(RoleUse::name)
            .distinct()
            .collect(Collectors.joining(", "));
    Set<String> apart = new TreeSet<>();
    config.run().forEach(stage -> apart.addAll(RunMemory.otherBases(config, stage).keySet()));
    return names
        + ": this JVM, one shared base"
        + (apart.isEmpty() ? "" : ", another for " + String.join(", ", apart))
        + " (troupe launch: "
        + nodes(config)
        + ")";
  }

  private static String nodes(PipelineConfig config) {
    return Ensemble.nodes(config.placement(), config.cluster().replicas()).entrySet().stream()
        .map(node -> node.getKey() + (node.getValue() == 1 ? "" : " × " + node.getValue()))
        .collect(Collectors.joining(", ", "nodes ", replicas(config)));
  }

  private static String replicas(PipelineConfig config) {
    String several =
        config.cluster().replicas().entrySet().stream()
            .filter(role -> role.getValue() > 1)
            .sorted(Map.Entry.comparingByKey())
            .map(role -> role.getValue() + " of the " + role.getKey())
            .collect(Collectors.joining(" and "));
    return several.isEmpty() ? "" : "; replicas: " + several + ", of which this JVM needs one each";
  }
}
