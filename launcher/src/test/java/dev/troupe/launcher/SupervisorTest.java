package dev.troupe.launcher;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** Shells stand for drivers: what they are told is noted in a file, a line each. */
@Timeout(60)
final class SupervisorTest {
  @TempDir private Path directory;
  private final StringWriter out = new StringWriter();
  private final StringWriter err = new StringWriter();

  private Supervisor of(String script, boolean trained, int silentSeconds, int allowed) {
    String noting = "echo \"$@\" >> '" + directory.resolve("calls") + "'; " + script;
    return new Supervisor(
        List.of("sh", "-c", noting, "driver"),
        silentSeconds,
        allowed,
        () -> trained,
        () -> "./troupe launch a --resume",
        new PrintWriter(out, true),
        new PrintWriter(err, true));
  }

  private List<String> calls() throws IOException {
    return Files.readAllLines(directory.resolve("calls"));
  }

  /** All but the first, which ends so. */
  private String first(String end) {
    return "if [ $(wc -l < '" + directory.resolve("calls") + "') = 1 ]; then " + end + "; fi";
  }

  @Test
  void killed_isStartedAgain_andGoesOnWhereSomethingWasTrained() throws Exception {
    assertThat(of(first("kill -9 $$"), true, 30, 3).follow()).isZero();
    assertThat(calls()).hasSize(2);
    assertThat(calls().get(0)).matches("--sign \\S+");
    assertThat(calls().get(1)).matches("--sign \\S+ --again --resume");
    assertThat(out.toString())
        .contains("the driver ended with exit code 137; starting it again (1 of 3)")
        .containsPattern("(?s)driver: process \\d+.*driver: process \\d+");
    assertThat(Path.of(calls().get(0).replaceFirst("--sign ", ""))).doesNotExist();
  }

  @Test
  void killed_beforeAnythingWasTrained_beginsAnew() throws Exception {
    assertThat(of(first("kill -9 $$"), false, 30, 3).follow()).isZero();
    assertThat(calls().get(1)).matches("--sign \\S+ --again");
  }

  @Test
  void killedAsOftenAsItMay_saysHowToGoOn() throws Exception {
    assertThat(of("kill -9 $$", true, 30, 1).follow()).isEqualTo(1);
    assertThat(calls()).hasSize(2);
    assertThat(err)
        .hasToString(
            "error: the driver ended with exit code 137, as often as it may (--restarts 1); what"
                + " was done is kept; to go on: ./troupe launch a --resume\n");
  }

  @Test
  void endedByItself_isNotStartedAgain() throws Exception {
    assertThat(of("exit 2", true, 30, 3).follow()).isEqualTo(2);
    assertThat(calls()).hasSize(1);
  }

  @Test
  void withoutASignOfLife_isEnded_andStartedAgain() throws Exception {
    assertThat(of(first("exec sleep 600"), true, 2, 3).follow()).isZero();
    assertThat(calls()).hasSize(2);
    assertThat(out.toString())
        .contains("the driver has given no sign of life for 2 s, and is ended")
        .contains("starting it again (1 of 3)");
  }

  @Test
  void slowButAlive_isLeftAlone() throws Exception {
    String touching = "for i in 1 2 3 4 5 6 7 8; do sleep 0.5; touch \"$2\"; done; exit 4";
    assertThat(of(touching, true, 2, 3).follow()).isEqualTo(4);
    assertThat(calls()).hasSize(1);
  }

  @Test
  void askedToStop_asksItsDriver_andDoesNotStartItAgain() throws Exception {
    Supervisor supervisor = of("read code; echo $code; exit $code", true, 30, 3);
    CompletableFuture<Integer> end =
        CompletableFuture.supplyAsync(
            () -> {
              try {
                return supervisor.follow();
              } catch (IOException | InterruptedException e) {
                throw new IllegalStateException(e);
              }
            });
    while (!out.toString().contains("driver: process ")) {
      Thread.onSpinWait();
    }
    String self = Long.toString(ProcessHandle.current().pid());
    new ProcessBuilder("kill", "-INT", self).inheritIO().start().waitFor();
    assertThat(end.get(30, TimeUnit.SECONDS)).isEqualTo(130);
    assertThat(calls()).hasSize(1);
  }
}
