package dev.troupe.launcher;

import static org.assertj.core.api.Assertions.assertThat;

import dev.troupe.protocol.event.Notice;
import dev.troupe.protocol.event.RoleChanged;
import dev.troupe.protocol.event.RunEvent;
import dev.troupe.protocol.event.StageCompleted;
import dev.troupe.protocol.event.StageStarted;
import dev.troupe.protocol.event.StepCompleted;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class ProgressTest {
  private final StringWriter out = new StringWriter();

  @Test
  void notATerminal_aLineEveryFiveSeconds_andTheLast() {
    Progress progress = new Progress(new PrintWriter(out), false, 0);
    progress.accept(started(0, "ppo", 10));
    for (int step = 1; step <= 10; step++) {
      progress.accept(step(step * 1000L, step, 10));
    }
    progress.accept(completed("ppo"));
    assertThat(out.toString())
        .isEqualTo(
            """
            ppo       1/10  loss 0.2500  score 1.5000  KL 0.0300  4200 tokens/s  0:09 left
            ppo       6/10  loss 0.2500  score 1.5000  KL 0.0300  4200 tokens/s  0:04 left
            ppo       10/10  loss 0.2500  score 1.5000  KL 0.0300  4200 tokens/s  0:00 left
            ppo      done in 1:05  kl 0.0300
            """);
  }

  @Test
  void terminal_redrawsOneBar() {
    Progress progress = new Progress(new PrintWriter(out), true, 120);
    progress.accept(started(0, "ppo", 2));
    progress.accept(step(1000, 1, 2));
    progress.accept(step(1010, 2, 2));
    progress.accept(completed("ppo"));
    assertThat(out.toString()).matches("(?s)[^\\n]*\\n[^\\n]*\\n");
    assertThat(out.toString())
        .contains("\r\u001b[2Kppo       ━━━━━━━━━━━━────────────  1/2  loss 0.2500")
        .contains("━━━━━━━━━━━━━━━━━━━━━━━━  2/2  ")
        .endsWith("ppo      done in 1:05  kl 0.0300\n");
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      textBlock =
          """
          120 | ppo       ━━━━━━━━━━━━────────────  1/2  loss 0.2500  score 1.5000  KL 0.0300  4200 tokens/s  0:01 left
          100 | ppo  ━━━━━━──────  1/2  loss 0.2500  score 1.5000  KL 0.0300  4200 tokens/s  0:01 left
          80  | ppo  ━━━━━━──────  1/2  loss 0.2500  score 1.5000  4200 tokens/s  0:01 left
          60  | ppo  1/2  loss 0.2500  4200 tokens/s  0:01 left
          40  | ppo  1/2  4200 tokens/s  0:01 left
          34  | ppo 1/2 4200 tok/s 0:01 left
          """)
  void terminal_narrow_keepsSpeedAndTimeLeft(int columns, String line) {
    Progress progress = new Progress(new PrintWriter(out), true, columns);
    progress.accept(started(0, "ppo", 2));
    progress.accept(step(1000, 1, 2));
    assertThat(out.toString()).isEqualTo("\r\u001b[2K" + line);
  }

  @Test
  void terminal_neverWiderThanItsColumns() {
    for (int columns = 40; columns <= 200; columns++) {
      for (String stage : List.of("ppo", "pretrain")) {
        for (long step : List.of(1, 37, 9998)) {
          out.getBuffer().setLength(0);
          Progress progress = new Progress(new PrintWriter(out), true, columns);
          progress.accept(started(0, stage, 9999));
          progress.accept(step(30_000 * step, step, 9999, 10.0 * step));
          assertThat(out.toString().replace("\r\u001b[2K", ""))
              .hasSizeLessThan(columns)
              .contains(step + "/9999 ")
              .containsPattern(" tok(ens)?/s +[\\d:]+ left$");
        }
      }
    }
  }

  @Test
  void noticesAreShown() {
    Progress progress = new Progress(new PrintWriter(out), false, 0);
    progress.accept(notice("info", "all well"));
    progress.accept(notice("warning", "3 prompts were cut"));
    assertThat(out.toString())
        .isEqualTo("note (sft): all well\nwarning (sft): 3 prompts were cut\n");
  }

  @Test
  void kernelsAreTold_once_andOfEachNodeThatHasOthers() {
    Progress progress = new Progress(new PrintWriter(out), false, 0);
    progress.accept(role("a:1", ""));
    progress.accept(role("a:1", "native, avx512-vnni"));
    progress.accept(role("b:2", "native, avx512-vnni"));
    for (int again = 0; again < 2; again++) {
      progress.accept(role("c:3", "native, avx2"));
    }
    assertThat(out.toString())
        .isEqualTo("kernels: native, avx512-vnni\nkernels on c:3: native, avx2\n");
  }

  private static RunEvent role(String node, String kernels) {
    return RunEvent.newBuilder()
        .setRoleChanged(
            RoleChanged.newBuilder().setRole("policy").setNode(node).setKernels(kernels))
        .build();
  }

  private static RunEvent started(long time, String stage, long steps) {
    return RunEvent.newBuilder()
        .setTimeMillis(time)
        .setStageStarted(StageStarted.newBuilder().setStage(stage).setTotalSteps(steps))
        .build();
  }

  private static RunEvent step(long time, long step, long total) {
    return step(time, step, total, 4200);
  }

  private static RunEvent step(long time, long step, long total, double tokensPerSecond) {
    return RunEvent.newBuilder()
        .setTimeMillis(time)
        .setStepCompleted(
            StepCompleted.newBuilder()
                .setStage("ppo")
                .setStep(step)
                .setTotalSteps(total)
                .putAllMetrics(
                    Map.of(
                        "loss",
                        0.25,
                        "score",
                        1.5,
                        "kl",
                        0.03,
                        "tokensPerSecond",
                        tokensPerSecond)))
        .build();
  }

  private static RunEvent completed(String stage) {
    return RunEvent.newBuilder()
        .setStageCompleted(
            StageCompleted.newBuilder().setStage(stage).setSeconds(65).putResults("kl", 0.03))
        .build();
  }

  private static RunEvent notice(String severity, String text) {
    return RunEvent.newBuilder()
        .setNotice(Notice.newBuilder().setSeverity(severity).setStage("sft").setText(text))
        .build();
  }
}
