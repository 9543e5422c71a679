package dev.troupe.tests;

import static org.assertj.core.api.Assertions.assertThat;

import dev.troupe.actors.pipeline.Pipeline;
import dev.troupe.actors.pipeline.StepListener;
import dev.troupe.launcher.Troupe;
import dev.troupe.launcher.config.PipelineConfigurations;
import java.io.BufferedReader;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Real JVMs on loopback, started by the command itself. */
class LaunchTest {
  private static final Pattern NODE = Pattern.compile("node (\\w+): process (\\d+)");

  @TempDir Path directory;

  @Test
  void local3_givesTheBytesOfOneJvm() throws Exception {
    Path alone = directory.resolve("alone");
    var loaded =
        PipelineConfigurations.loader()
            .load(Quickstarts.CONFIGURATION, Quickstarts.shortened(alone));
    Pipeline.start(loaded.value(), loaded.text(), StepListener.NONE).result().get();

    Path together = directory.resolve("together");
    Process launch = launch(together);
    List<Long> nodes = new ArrayList<>();
    String output = read(launch, nodes, "never");
    assertThat(launch.waitFor()).as(output).isZero();

    assertThat(nodes).hasSize(3).noneMatch(LaunchTest::alive);
    for (String stage : List.of("sft", "reward", "policy")) {
      assertThat(together.resolve(stage).resolve("adapter_model.safetensors"))
          .hasSameBinaryContentAs(alone.resolve(stage).resolve("adapter_model.safetensors"));
    }
  }

  @Test
  void nodeKilled_failsAndNamesIt_andLeavesNoProcess() throws Exception {
    Process launch = launch(directory.resolve("run"));
    List<Long> nodes = new ArrayList<>();
    String output = read(launch, nodes, "sft ");
    ProcessHandle.of(nodes.get(2)).orElseThrow().destroyForcibly();
    output += read(launch, nodes, "never");
    assertThat(launch.waitFor()).as(output).isEqualTo(1);
    assertThat(output)
        .contains("the node policy ended with exit code 137")
        .containsPattern("error: the policy is lost: its node 127\\.0\\.0\\.1:\\d+ ended");
    assertThat(nodes).noneMatch(LaunchTest::alive);
  }

  @Test
  void node_seedUnreachable_saysSo() throws Exception {
    Process node =
        start(List.of("node", "--join", "127.0.0.1:1", "--roles", "policy", "--join-timeout", "2"));
    String output = read(node, new ArrayList<>(), "never");
    assertThat(node.waitFor()).isEqualTo(2);
    assertThat(output)
        .contains("error: cannot reach the seed node 127.0.0.1:1 after 2 s. Is a run started there")
        .doesNotContain("\tat ");
  }

  private static Process launch(Path output) throws IOException {
    List<String> arguments = new ArrayList<>(List.of("launch", "--local", "3"));
    for (String override : Quickstarts.shortened(output)) {
      arguments.addAll(List.of("--set", override));
    }
    arguments.add(Quickstarts.CONFIGURATION.toString());
    return start(arguments);
  }

  private static Process start(List<String> arguments) throws IOException {
    List<String> command =
        new ArrayList<>(
            List.of(
                Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                "-Xmx512m",
                "-cp",
                System.getProperty("java.class.path"),
                Troupe.class.getName()));
    command.addAll(arguments);
    return new ProcessBuilder(command).redirectErrorStream(true).start();
  }

  /**
   * Reads until a line starts with {@code until} or the output ends, and notes the nodes'
   * processes.
   */
  private static String read(Process process, List<Long> nodes, String until) throws IOException {
    StringBuilder output = new StringBuilder();
    BufferedReader reader = process.inputReader();
    for (String line = reader.readLine(); line != null; line = reader.readLine()) {
      output.append(line).append('\n');
      Matcher node = NODE.matcher(line);
      if (node.find()) {
        nodes.add(Long.parseLong(node.group(2)));
      }
      if (line.startsWith(until)) {
        break;
      }
    }
    return output.toString();
  }

  private static boolean alive(long pid) {
    return ProcessHandle.of(pid).map(ProcessHandle::isAlive).orElse(false);
  }
}
