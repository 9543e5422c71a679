package dev.troupe.tests.reinforce;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.troupe.actors.pipeline.Pipeline;
import dev.troupe.actors.pipeline.PipelineConfig;
import dev.troupe.actors.pipeline.RunHandle;
import dev.troupe.actors.pipeline.RunResult;
import dev.troupe.actors.pipeline.StepListener;
import dev.troupe.configuration.PipelineConfigurations;
import dev.troupe.launcher.Troupe;
import java.io.File;
import java.io.IOException;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** An algorithm that the product does not know, from its own files and one line in a service's. */
class ReinforceTest {
  private static final Path ROOT = Path.of(System.getProperty("troupe.root"));
  private static final Path FILES = ROOT.resolve("src/test/java/dev/troupe/tests/reinforce");
  private static final Path CONFIGURATION =
      ROOT.resolve("src/test/resources/dev/troupe/tests/reinforce/run.conf");
  private static final Pattern JAVA = Pattern.compile("(?s)```java[^\n]*\n(.*?)```");

  @TempDir static Path directory;
  private static Path straight;
  private static RunResult result;

  @BeforeAll
  static void runInOneJvm() throws Exception {
    straight = directory.resolve("straight");
    result = Pipeline.start(config(straight)).result().get();
  }

  private static List<String> overrides(Path output) {
    return List.of(
        "output=\"" + output + "\"", "model=\"" + ROOT.resolve("configs/quickstart-base") + "\"");
  }

  private static PipelineConfig config(Path output) {
    return PipelineConfigurations.loader().load(CONFIGURATION, overrides(output)).value();
  }

  private static Path adapter(Path run) {
    return run.resolve("reinforce/adapter_model.safetensors");
  }

  @Test
  void run_learns_andTheSummaryHasIt() throws IOException {
    ReinforceRecipe.Result reinforce = (ReinforceRecipe.Result) result.results().get("reinforce");
    assertThat(reinforce.iterations()).isEqualTo(4);
    assertThat(reinforce.account().trained()).isEqualTo(4 * 16);
    assertThat(adapter(straight)).exists();
    assertThat(Files.readSymbolicLink(straight.resolve("policy"))).isEqualTo(Path.of("reinforce"));
    JsonNode stage = new ObjectMapper().readTree(result.summaryJson()).path("stages").path(1);
    assertThat(stage.path("stage").asText()).isEqualTo("reinforce");
    assertThat(stage.path("gives").asText()).isEqualTo("policy");
    assertThat(stage.path("after").path("replies")).hasSize(16);
  }

  @Test
  void plan_knowsItsDataRolesAndKeys() {
    StringWriter out = new StringWriter();
    List<String> arguments = new ArrayList<>(List.of("plan", CONFIGURATION.toString()));
    Stream.concat(overrides(directory.resolve("none")).stream(), Stream.of("ppo.iterations=7"))
        .forEach(override -> arguments.addAll(List.of("--set", override)));
    int code =
        Troupe.execute(
            new PrintWriter(out, true),
            new PrintWriter(out, true),
            arguments.toArray(new String[0]));
    assertThat(code).as(out.toString()).isZero();
    assertThat(out.toString())
        .contains("  reinforce.optimizer.learning-rate = 0.003\n")
        .containsPattern("reinforce +144 prompts +16 +0 +4 +16 +≤ 1,536 +39\n")
        .contains("set, and not used by these stages\n  ppo.iterations\n")
        .contains("roles     policy: this JVM");
  }

  @Test
  void cancelledAndResumed_endsInTheSameBytes() throws Exception {
    Path output = directory.resolve("resumed");
    CompletableFuture<RunHandle> started = new CompletableFuture<>();
    StepListener stop =
        (stage, step, total, metrics) -> {
          if (stage.equals("reinforce") && step == 2) {
            started.join().cancel();
          }
        };
    started.complete(Pipeline.start(config(output), "", stop));
    assertThat(started.join().result().get().outcome()).isEqualTo(RunResult.CANCELLED);
    Pipeline.resume(config(output), "", StepListener.NONE).result().get();
    assertThat(adapter(output)).hasSameBinaryContentAs(adapter(straight));
  }

  @Test
  void launchedOnTwoJvms_endsInTheSameBytes() throws Exception {
    Path output = directory.resolve("launched");
    Process launch = launch(System.getProperty("java.class.path"), output, "--local", "2");
    assertThat(launch.waitFor()).as(read(launch)).isZero();
    assertThat(adapter(output)).hasSameBinaryContentAs(adapter(straight));
  }

  /** The other host, a script for ssh, has not the jar of the algorithm. */
  @Test
  void nodeWithoutTheAlgorithm_isRefused_andTheClassesNamed() throws Exception {
    String without =
        Arrays.stream(System.getProperty("java.class.path").split(File.pathSeparator))
            .filter(entry -> !entry.endsWith("test-classes"))
            .collect(Collectors.joining(File.pathSeparator));
    Path home = Files.createDirectories(directory.resolve("home"));
    script(home.resolve("troupe"), "exec '" + String.join("' '", java(without)) + "' \"$@\"");
    Path ssh = script(directory.resolve("ssh"), "exec sh -c \"$2\"");
    Path hosts = Files.writeString(directory.resolve("hosts"), "127.0.0.1 policy,critic,judge\n");
    Process launch =
        launch(
            System.getProperty("java.class.path"),
            directory.resolve("refused"),
            "--hosts",
            hosts.toString(),
            "--ssh",
            ssh.toString(),
            "--host",
            "127.0.0.1");
    String output = read(launch);
    assertThat(launch.waitFor()).as(output).isEqualTo(2);
    assertThat(output)
        .containsPattern("error: the node \\S+ has other algorithms than this one; it has not ")
        .contains("dev.troupe.tests.reinforce.ReinforceObjective()")
        .contains("dev.troupe.tests.reinforce.WeightedAnswer(Sequence sequence,double advantage)")
        .contains(". Put the same jars on the class path of every node\n");
  }

  /** docs/adding-an-algorithm.md shows these files, not others. */
  @Test
  void theDocumentShowsThisCode() throws IOException {
    List<String> code = new ArrayList<>();
    try (Stream<Path> files = Files.list(FILES)) {
      for (Path file : files.toList()) {
        code.add(Files.readString(file));
      }
    }
    Matcher blocks = JAVA.matcher(Files.readString(ROOT.resolve("docs/adding-an-algorithm.md")));
    int found = 0;
    while (blocks.find()) {
      String block = blocks.group(1);
      assertThat(code).as(block).anyMatch(file -> file.contains(block));
      found++;
    }
    assertThat(found).isGreaterThanOrEqualTo(3);
  }

  private static Process launch(String classPath, Path output, String... options)
      throws IOException {
    List<String> command = new ArrayList<>(java(classPath));
    command.add("launch");
    command.addAll(List.of(options));
    overrides(output).forEach(override -> command.addAll(List.of("--set", override)));
    command.add(CONFIGURATION.toString());
    ProcessBuilder builder = new ProcessBuilder(command).redirectErrorStream(true);
    builder.environment().put("TROUPE_HOME", directory.resolve("home").toString());
    return builder.start();
  }

  private static List<String> java(String classPath) {
    return List.of(
        Path.of(System.getProperty("java.home"), "bin", "java").toString(),
        "-Xmx512m",
        "-cp",
        classPath,
        Troupe.class.getName());
  }

  private static String read(Process process) throws IOException {
    return new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
  }

  private static Path script(Path file, String line) throws IOException {
    Files.writeString(file, "#!/bin/sh\n" + line + "\n");
    assertThat(file.toFile().setExecutable(true)).isTrue();
    return file;
  }
}
