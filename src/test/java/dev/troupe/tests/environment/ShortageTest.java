package dev.troupe.tests.environment;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** A machine that runs out: one message, no stack trace, no "defect", and what was done is kept. */
class ShortageTest {
  @TempDir private Path directory;

  /** Before the heap is full: a JVM that has next to no room collects for minutes first. */
  @Test
  void run_heapFull_saysWhatToRaise() throws Exception {
    ForkedJvm.Ended ended =
        new ForkedJvm(directory, Map.of(), "-Xmx40m")
            .troupe(run("out", records(40_000), "--set", "data.max-megabytes=512"));
    assertThat(ended.err())
        .containsPattern(
            "error: \\S+records.jsonl: the JVM's heap of \\d+ MiB is nearly full after [\\d,]+ records;"
                + " read fewer \\(limit\\), or give it more \\(TROUPE_HEAP=2g, or -Xmx\\)")
        .doesNotContain("defect", "\tat ");
    assertThat(ended.code()).isEqualTo(2);
  }

  @Test
  void run_directMemoryFull_saysWhatToRaise() throws Exception {
    ForkedJvm.Ended ended =
        new ForkedJvm(directory, Map.of(), "-Xmx256m", "-XX:MaxDirectMemorySize=64k")
            .troupe(run("out", records(20)));
    assertThat(ended.code()).isEqualTo(1);
    assertThat(ended.err())
        .contains("-XX:MaxDirectMemorySize=1g")
        .doesNotContain("defect", "\tat ");
  }

  /** A file may be 24 KiB: the adapter is larger, as on a disk that fills up at the end. */
  @Test
  void run_fileSystemFull_isSaidAndTheRunGoesOnLater() throws Exception {
    String[] run = run("out", records(20));
    ForkedJvm jvm = new ForkedJvm(directory, Map.of(), "-Xmx256m", "-XX:-UsePerfData");
    List<String> command =
        new ArrayList<>(List.of("sh", "-c", "trap '' XFSZ; ulimit -f 48; exec \"$@\"", "sh"));
    command.addAll(jvm.command(dev.troupe.launcher.Troupe.class));
    command.addAll(List.of(run));
    ForkedJvm.Ended ended = jvm.run(command);
    assertThat(ended.err())
        .contains("cannot be written: the file system or ulimit -f takes no larger file")
        .doesNotContain("defect", "\tat ");
    assertThat(ended.code()).isEqualTo(1);
    List<String> resumed = new ArrayList<>(List.of(run));
    resumed.add("--resume");
    assertThat(jvm.troupe(resumed.toArray(String[]::new)).code()).isZero();
    assertThat(directory.resolve("out/sft/adapter_model.safetensors")).isNotEmptyFile();
  }

  @Test
  void run_readOnlyPlace_isSaid() throws Exception {
    Path proc = Path.of("/proc/sys");
    assumeTrue(Files.isDirectory(proc));
    ForkedJvm.Ended ended =
        new ForkedJvm(directory, Map.of(), "-Xmx256m")
            .troupe(run(proc.resolve("troupe-run").toString(), records(20)));
    assertThat(ended.err()).startsWith("error: ").doesNotContain("defect", "\tat ");
    assertThat(ended.err().lines().count()).isLessThanOrEqualTo(2);
    assertThat(ended.code()).isIn(1, 2);
  }

  private static String[] run(String output, Path data, String... more) {
    List<String> words =
        new ArrayList<>(
            List.of(
                "run",
                data.resolveSibling("run.conf").toString(),
                "--set",
                "output=" + output,
                "--set",
                "data.sft=[{path=\"" + data + "\"}]"));
    words.addAll(List.of(more));
    return words.toArray(String[]::new);
  }

  private Path records(int count) throws IOException {
    StringBuilder records = new StringBuilder();
    for (int i = 0; i < count; i++) {
      records.append("{\"prompt\": \"Customer: Hello ").append(i).append("\", \"completion\": \" ");
      records.append("Clerk: With pleasure! ".repeat(count > 1000 ? 20 : 1)).append("\"}\n");
    }
    Files.writeString(
        directory.resolve("run.conf"),
        """
        model = "%s"
        stages = [sft]
        dashboard.enabled = false
        sft {
          batch-size = 20, held-out = 0
          optimizer { warmup-steps = 0, schedule = constant, learning-rate = 1e-5 }
        }
        """
            .replace("%s", ForkedJvm.MODEL.toString()));
    return Files.writeString(directory.resolve("records.jsonl"), records);
  }
}
