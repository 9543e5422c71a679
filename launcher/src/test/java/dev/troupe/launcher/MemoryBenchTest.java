package dev.troupe.launcher;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.withinPercentage;

import dev.troupe.launcher.bench.BenchModel;
import dev.troupe.launcher.bench.Measurement;
import dev.troupe.protocol.event.RoleChanged;
import dev.troupe.protocol.event.RunEvent;
import dev.troupe.protocol.event.StageStarted;
import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class MemoryBenchTest {
  @TempDir Path scratch;

  @Test
  void run_fourRoles_countsTheirOneBaseOnce() throws IOException {
    Path model = scratch.resolve("model");
    BenchModel.TINY.write(model, Path.of("../configs/quickstart-base"));
    List<Measurement> measured =
        new MemoryBench(new IterationBench(IterationBench.Kind.PPO, 4, 1, 8, 8))
            .run(model, scratch, 1, List.of());
    assertThat(measured)
        .extracting(Measurement::work)
        .startsWith("memory, base of critic, policy, reference, reward")
        .contains(
            "memory, adapter of policy",
            "memory, optimizer of policy",
            "memory, shadow of policy",
            "memory, kv-cache of policy",
            "memory, adapter of critic",
            "memory, optimizer of critic")
        .doesNotContain("memory, optimizer of reward", "memory, shadow of critic")
        .endsWith("memory");
    // 512 x 64 of the embedding, twice 41,088 of a layer and their norms, in float32.
    assertThat(measured.get(0).median() * (1 << 20)).isBetween(500_000.0, 1_500_000.0);
    // Adam keeps two numbers per parameter.
    assertThat(figure(measured, "memory, optimizer of policy").median())
        .isGreaterThan(1.9 * figure(measured, "memory, adapter of policy").median());
    Measurement peak = measured.get(measured.size() - 1);
    assertThat(peak.shares().get("one base")).isGreaterThan(1);
    assertThat(measured.get(0).shares().get("the peak"))
        .isCloseTo(1 / peak.shares().get("one base"), withinPercentage(1e-9));
  }

  @Test
  void run_groupsOfAnswers_countsTheirPhases() throws IOException {
    Path model = scratch.resolve("model");
    BenchModel.TINY.write(model, Path.of("../configs/quickstart-base"));
    List<Measurement> measured =
        new IterationBench(IterationBench.Kind.GRPO, 2, 2, 8, 4).run(model, scratch, 2, List.of());
    assertThat(measured)
        .extracting(Measurement::work)
        .containsExactly(
            "grpo", "grpo, flip", "grpo, generate", "grpo, score", "grpo, train", "memory");
    assertThat(measured.get(0).values()).as("after one to warm up").hasSize(2);
  }

  @Test
  void held_isTheMostOfEachRoleWithinPpo() {
    List<RunEvent> events =
        List.of(
            stage("reward"),
            role("reward", Map.of("base", 100L, "optimizer", 7L)),
            stage("ppo"),
            role("policy", Map.of()),
            role("policy", Map.of("base", 100L, "shadow", 50L)),
            role("policy", Map.of("base", 100L, "shadow", 20L)),
            role("reward", Map.of("base", 100L, "optimizer", 0L)));
    assertThat(MemoryBench.held(events))
        .isEqualTo(
            Map.of(
                "policy",
                Map.of("base", 100L, "shadow", 50L),
                "reward",
                Map.of("base", 100L, "optimizer", 0L)));
  }

  private static Measurement figure(List<Measurement> measured, String work) {
    return measured.stream().filter(one -> one.work().equals(work)).findFirst().orElseThrow();
  }

  private static RunEvent stage(String name) {
    return RunEvent.newBuilder().setStageStarted(StageStarted.newBuilder().setStage(name)).build();
  }

  private static RunEvent role(String name, Map<String, Long> bytes) {
    return RunEvent.newBuilder()
        .setRoleChanged(RoleChanged.newBuilder().setRole(name).putAllMemoryBytes(bytes))
        .build();
  }
}
