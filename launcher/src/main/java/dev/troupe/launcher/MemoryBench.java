package dev.troupe.launcher;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.troupe.actors.pipeline.RunResult;
import dev.troupe.launcher.bench.Measurement;
import dev.troupe.protocol.event.EventReader;
import dev.troupe.protocol.event.RoleChanged;
import dev.troupe.protocol.event.RunEvent;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;

/**
 * Where the memory of PPO goes: the four roles of {@link IterationBench} on one base, by what their
 * engines say that they hold, and the process as a whole.
 */
record MemoryBench(IterationBench ppo) {
  private static final ObjectMapper JSON = OutputJson.mapper();
  private static final String BASE = "base";

  /**
   * The base, which all roles share; what each role holds beside it, at its most; the most that the
   * process had resident. What of this the engines do not name is activations, gradients, libraries
   * and Java.
   */
  List<Measurement> run(Path model, Path scratch, int rounds, List<String> settings)
      throws IOException {
    RunResult result = ppo.result(model, scratch, rounds, settings);
    Map<String, Object> setting = ppo.setting(model, settings);
    Map<String, Map<String, Long>> held =
        held(EventReader.readAll(result.directory().resolve("events.pb")));
    long base =
        held.values().stream().mapToLong(role -> role.getOrDefault(BASE, 0L)).max().orElseThrow();
    Measurement peak = peak(result, setting);
    List<Measurement> all = new ArrayList<>();
    all.add(mebibytes("memory, base of " + String.join(", ", held.keySet()), setting, base));
    held.forEach(
        (role, purposes) ->
            purposes.forEach(
                (purpose, bytes) -> {
                  if (bytes > 0 && !purpose.equals(BASE)) {
                    all.add(mebibytes("memory, " + purpose + " of " + role, setting, bytes));
                  }
                }));
    all.replaceAll(one -> one.share("the peak", one.median() / peak.median()));
    all.add(peak.share("one base", peak.median() / all.get(0).median()));
    return all;
  }

  /** The most that the process has had resident. */
  static Measurement peak(RunResult result, Map<String, Object> setting)
      throws JsonProcessingException {
    return mebibytes(
        "memory", setting, JSON.readTree(result.summaryJson()).get("peakResidentBytes").asLong());
  }

  /** The most that each role of PPO has held, by role and purpose. */
  static Map<String, Map<String, Long>> held(List<RunEvent> events) {
    Map<String, Map<String, Long>> most = new TreeMap<>();
    boolean counts = false;
    for (RunEvent event : events) {
      if (event.hasStageStarted()) {
        counts = event.getStageStarted().getStage().equals("ppo");
      } else if (counts && event.hasRoleChanged()) {
        RoleChanged changed = event.getRoleChanged();
        Map<String, Long> role = most.computeIfAbsent(changed.getRole(), name -> new TreeMap<>());
        changed
            .getMemoryBytesMap()
            .forEach((purpose, bytes) -> role.merge(purpose, bytes, Math::max));
      }
    }
    return most;
  }

  private static Measurement mebibytes(String work, Map<String, Object> setting, long bytes) {
    return Measurement.of(
        work, new LinkedHashMap<>(setting), "MiB", List.of(bytes / (double) (1 << 20)));
  }
}
