package dev.troupe.dashboard;

import static org.assertj.core.api.Assertions.assertThat;

import dev.troupe.protocol.event.EventLog;
import dev.troupe.protocol.event.EventReader;
import java.nio.file.Path;
import java.time.Instant;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

final class RunMetricsTest {
  @TempDir Path directory;

  @Test
  void text_ofARun_namesAndCountsWhatItDid() {
    try (SampleRun run = new SampleRun(directory, Instant.parse("2026-01-01T12:00:00Z"))) {
      run.writeUntilPpoStep(10);
      run.step(
          "ppo", 11, 120, Map.of("score", 1.25, "tokensPerSecond", 2000.0), Map.of("train", 2.0));
      run.step("ppo", 12, 120, Map.of("score", 1.5, "kl", Double.NaN), Map.of("train", 1.0));
    }
    String text = text();
    assertThat(text.lines())
        .contains(
            "troupe_run_state{run=\"quickstart\",state=\"running\"} 1.0",
            "troupe_run_state{run=\"quickstart\",state=\"failed\"} 0.0",
            "troupe_stage_step{stage=\"ppo\"} 12.0",
            "troupe_stage_planned_steps{stage=\"ppo\"} 120.0",
            "troupe_stage_state{stage=\"sft\",state=\"completed\"} 1.0",
            "troupe_step_score{stage=\"ppo\"} 1.5",
            "troupe_step_tokens_per_second{stage=\"ppo\"} 2000.0",
            "troupe_rollouts_recorded_total 20.0",
            "troupe_notices_total{severity=\"info\"} 1.0",
            "troupe_actor_adapter_version{node=\"127.0.0.1:25520\",role=\"policy\"} 11.0",
            "troupe_actor_state{node=\"127.0.0.1:25520\",role=\"policy\",state=\"busy\"} 1.0",
            "troupe_cluster_member{address=\"127.0.0.1:25521\",status=\"Up\"} 1.0");
    assertThat(text).contains("troupe_stage_phase_seconds_total{phase=\"train\",stage=\"ppo\"}");
    assertThat(text).contains("# TYPE troupe_notices_total counter");
    assertThat(text).as("what is no number is absent").doesNotContain("NaN");
  }

  @Test
  void text_beforeTheFirstEvent_isThere() {
    assertThat(RunMetrics.text(RunHistory.empty()))
        .contains("troupe_run_state{run=\"\",state=\"waiting\"} 1.0");
  }

  @Test
  void snakeCase_camelCase_isSplit() {
    assertThat(RunMetrics.snakeCase("tokensPerSecond")).isEqualTo("tokens_per_second");
    assertThat(RunMetrics.snakeCase("held-out.loss")).isEqualTo("held_out_loss");
  }

  private String text() {
    return RunMetrics.text(
        RunHistory.of(EventReader.readAll(directory.resolve(EventLog.FILE_NAME))));
  }
}
