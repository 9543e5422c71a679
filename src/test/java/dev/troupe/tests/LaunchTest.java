package dev.troupe.tests;

import static org.assertj.core.api.Assertions.assertThat;

import dev.troupe.actors.pipeline.Pipeline;
import dev.troupe.actors.pipeline.RunHandle;
import dev.troupe.actors.pipeline.StepListener;
import dev.troupe.actors.trust.Authority;
import dev.troupe.configuration.PipelineConfigurations;
import dev.troupe.launcher.Troupe;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.PrintWriter;
import java.io.UncheckedIOException;
import java.io.Writer;
import java.net.ServerSocket;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;
import java.util.function.Predicate;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.api.parallel.Execution;
import org.junit.jupiter.api.parallel.ExecutionMode;

/** Real JVMs on loopback, started by the command itself; three launches at a time. */
@Execution(ExecutionMode.CONCURRENT)
class LaunchTest {
  private static final Pattern NODE = Pattern.compile("node ([\\w-]+): process (\\d+)");

  /** Follows the last line of an output. */
  private static final String END = "(the output ends)";

  @TempDir static Path directory;
  private static Path alone;

  @BeforeAll
  static void runInOneJvm() throws Exception {
    alone = directory.resolve("alone");
    var loaded =
        PipelineConfigurations.loader()
            .load(Quickstarts.CONFIGURATION, Quickstarts.shortened(alone));
    Pipeline.start(loaded.value(), loaded.text(), StepListener.NONE).result().get();
  }

  private static void assertSameBytesAsAlone(Path run) {
    assertSameBytesAsAlone(run, "sft", "reward", "policy");
  }

  private static void assertSameBytesAsAlone(Path run, String... stages) {
    for (String stage : stages) {
      assertThat(adapter(run, stage)).hasSameBinaryContentAs(adapter(alone, stage));
    }
  }

  private static Path adapter(Path run, String stage) {
    return run.resolve(stage).resolve("adapter_model.safetensors");
  }

  /**
   * And takes no orders from others, who try while it runs. It runs until they have tried all: its
   * iterations do not end in time, and what it is then compared with is a run in one JVM that was
   * stopped after the same one.
   */
  @Test
  void local3_givesTheBytesOfOneJvm_whateverStrangersTry() throws Exception {
    List<String> endless = List.of("ppo.iterations=10000", "checkpoints.every-steps=1");
    Path together = directory.resolve("together");
    Path certificates = certificates("certificates");
    Process launch =
        launch(together, endless, "--local", "3", "--certificates", certificates.toString());
    List<Long> nodes = new ArrayList<>();
    BlockingQueue<String> lines = new LinkedBlockingQueue<>();
    CompletableFuture<String> output =
        CompletableFuture.supplyAsync(
            () -> {
              String all = read(launch, nodes, "never", lines::add);
              lines.add(END);
              return all;
            });
    awaitLine(lines, line -> line.startsWith("sft "));
    Matcher joined =
        Pattern.compile("joined \\S+:(\\d+) as \\S+:(\\d+), roles \\[policy]")
            .matcher(Files.readString(together.resolve("nodes/policy.log")));
    assertThat(joined.find()).isTrue();
    Path stolen = directory.resolve("stolen");
    Authority authority = Authority.read(certificates.resolve("authority"));
    List<String> expected = new ArrayList<>();
    for (String port : List.of(joined.group(1), joined.group(2))) {
      Strangers.REASONS.forEach(
          why ->
              expected.add(
                  "node 127\\.0\\.0\\.1:"
                      + port
                      + " refused a connection with 127\\.0\\.0\\.1:\\d+: "
                      + Pattern.quote(why)));
    }
    CompletableFuture.allOf(
            Stream.of(joined.group(1), joined.group(2))
                .map(
                    port ->
                        CompletableFuture.runAsync(
                            () -> Strangers.attack(Integer.parseInt(port), authority, stolen)))
                .toArray(CompletableFuture<?>[]::new))
        .join();
    awaitLine(
        lines,
        line -> {
          expected.removeIf(notice -> Pattern.compile(notice).matcher(line).find());
          return expected.isEmpty();
        });
    awaitLine(lines, line -> line.startsWith("ppo "));
    signal("INT", launch.pid());
    assertThat(launch.waitFor()).as(output.join()).isEqualTo(130);
    assertThat(stolen).doesNotExist();
    assertThat(nodes).hasSize(3).noneMatch(LaunchTest::alive);
    for (String stage : List.of("sft", "reward")) {
      assertThat(adapter(together, stage)).hasSameBinaryContentAs(adapter(alone, stage));
    }
    long last = newestCheckpoint(together, "ppo");
    Path stopped = directory.resolve("stopped");
    stoppedAfter(last, stopped, endless);
    for (String role : List.of("policy", "critic")) {
      Path state =
          Path.of(
              String.format(
                  Locale.ROOT, "checkpoints/ppo/%08d/%s/engine_state.safetensors", last, role));
      assertThat(together.resolve(state)).hasSameBinaryContentAs(stopped.resolve(state));
    }
  }

  /** Takes lines until there is one as wanted; the next comes in two minutes or not at all. */
  private static void awaitLine(BlockingQueue<String> lines, Predicate<String> wanted)
      throws InterruptedException {
    List<String> others = new ArrayList<>();
    String line = lines.poll(2, TimeUnit.MINUTES);
    while (line != null && !line.equals(END) && !wanted.test(line)) {
      others.add(line);
      line = lines.poll(2, TimeUnit.MINUTES);
    }
    assertThat(line)
        .as("no such line came among:\n%s\n", String.join("\n", others))
        .isNotNull()
        .isNotEqualTo(END);
  }

  /** In this JVM. */
  private static void stoppedAfter(long iteration, Path output, List<String> more)
      throws Exception {
    List<String> overrides = new ArrayList<>(Quickstarts.shortened(output));
    overrides.addAll(more);
    var loaded = PipelineConfigurations.loader().load(Quickstarts.CONFIGURATION, overrides);
    CompletableFuture<RunHandle> started = new CompletableFuture<>();
    StepListener stop =
        (stage, step, total, metrics) -> {
          if (stage.equals("ppo") && step == iteration) {
            started.join().cancel();
          }
        };
    started.complete(Pipeline.start(loaded.value(), loaded.text(), stop));
    started.join().result().get();
  }

  private static long newestCheckpoint(Path run, String stage) throws IOException {
    try (Stream<Path> entries = Files.list(run.resolve("checkpoints").resolve(stage))) {
      return entries
          .map(entry -> String.valueOf(entry.getFileName()))
          .filter(name -> name.matches("\\d+"))
          .mapToLong(Long::parseLong)
          .max()
          .orElseThrow();
    }
  }

  /**
   * Answers come from other JVMs, with the policy's weights. And whoever would start the driver
   * again is killed, without which the run goes on.
   */
  @Test
  void local1_withTwoRolloutNodes_givesTheBytesOfOneJvm_alsoUnsupervised() throws Exception {
    Path spread = directory.resolve("spread");
    Process launch = launch(spread, "--local", "1", "--rollouts", "2");
    List<Long> nodes = new ArrayList<>();
    String output = read(launch, nodes, "sft ");
    signal("KILL", launch.pid());
    assertThat(launch.waitFor()).as(output).isEqualTo(137);
    ProcessHandle.of(driver(output)).ifPresent(driver -> driver.onExit().join());
    assertThat(nodes).hasSize(3).noneMatch(LaunchTest::alive);
    assertSameBytesAsAlone(spread);
  }

  @Test
  void interrupted_stopsTheNodes_andResumesToTheSameBytes() throws Exception {
    Path run = directory.resolve("interrupted");
    Process launch = launch(run, "--local", "2");
    List<Long> nodes = new ArrayList<>();
    String output = read(launch, nodes, "reward ");
    signal("INT", launch.pid());
    output += read(launch, nodes, "never");
    assertThat(launch.waitFor()).as(output).isEqualTo(130);
    assertThat(nodes).hasSize(2).noneMatch(LaunchTest::alive);
    assertThat(output).contains("to go on: ./troupe launch --local 2 ");

    Process resumed = launch(run, "--local", "3", "--resume");
    output = read(resumed, nodes, "never");
    assertThat(resumed.waitFor()).as(output).isZero();
    assertSameBytesAsAlone(run);
  }

  /** Two addresses of this machine stand for two hosts, and a script for ssh. */
  @Test
  void hosts_overAStandInForSsh_giveTheBytesOfOneJvm() throws Exception {
    Path home = Files.createDirectories(directory.resolve("a home's directory"));
    script(
        home.resolve("troupe"),
        "exec '" + String.join("' '", java()) + "' \"$@\" # what ./troupe does on the other host");
    Path ssh =
        script(
            directory.resolve("ssh"),
            "echo \"$1\" >> '" + directory.resolve("called") + "'; exec sh -c \"$2\"");
    Path hosts =
        Files.writeString(
            directory.resolve("hosts"),
            "# HOST ROLE,...\n127.0.0.1 policy,critic\n\nsomebody@127.0.0.2 judge\n");
    Path run = directory.resolve("hosts-run");
    List<String> arguments =
        new ArrayList<>(
            List.of("launch", "--hosts", "" + hosts, "--ssh", "" + ssh, "--host", "127.0.0.1"));
    Process launch = start(home, withoutPpo(arguments, run));
    String output = read(launch, new ArrayList<>(), "never");
    assertThat(launch.waitFor()).as(output).isZero();
    assertThat(directory.resolve("called"))
        .content()
        .contains("127.0.0.1\n", "somebody@127.0.0.2\n");
    assertSameBytesAsAlone(run, "sft", "reward");
  }

  /** Scripts stand for srun and scontrol; two tasks are two addresses of this machine. */
  @Test
  void slurm_overAStandInForSrun_givesTheBytesOfOneJvm() throws Exception {
    Path commands = Files.createDirectories(directory.resolve("slurm's commands"));
    script(commands.resolve("scontrol"), "printf '127.0.0.1\\n127.0.0.2\\n'");
    script(
        commands.resolve("srun"),
        "while [ \"${1#--}\" != \"$1\" ]; do echo \"$1\" >> '"
            + directory.resolve("srun-options")
            + "'; shift; done; exec \"$@\"");
    Path run = directory.resolve("slurm-run");
    List<String> arguments = new ArrayList<>(List.of("launch", "--slurm", "--host", "127.0.0.1"));
    Process launch =
        start(
            directory,
            withoutPpo(arguments, run),
            Map.of(
                "PATH", commands + ":" + System.getenv("PATH"),
                "SLURM_JOB_NODELIST", "n[1-2]",
                "SLURM_TASKS_PER_NODE", "1(x2)"));
    String output = read(launch, new ArrayList<>(), "never");
    assertThat(launch.waitFor()).as(output).isZero();
    assertThat(directory.resolve("srun-options"))
        .content()
        .contains("--nodelist=127.0.0.1\n", "--nodelist=127.0.0.2\n", "--overlap\n");
    assertThat(run.resolve("nodes/127.0.0.2.log")).content().contains("joined ");
    assertSameBytesAsAlone(run, "sft", "reward");
  }

  @Test
  void hosts_oneCannotBeReached_namesItAndItsLog() throws Exception {
    Path ssh =
        script(
            directory.resolve("no-ssh"),
            "echo 'ssh: connect to host far port 22: Connection refused' >&2; exit 255");
    Path hosts = Files.writeString(directory.resolve("far"), "far policy,critic\nfar judge\n");
    Path run = directory.resolve("far-run");
    List<String> arguments =
        new ArrayList<>(
            List.of(
                "launch",
                "--hosts",
                "" + hosts,
                "--ssh",
                "" + ssh,
                "--host",
                "127.0.0.1",
                "--set",
                "cluster.join-timeout-seconds=1000"));
    Process launch = start(directory, withConfiguration(arguments, run));
    String output = read(launch, new ArrayList<>(), "never");
    assertThat(launch.waitFor()).as(output).isEqualTo(2);
    assertThat(output)
        .containsPattern(
            "error: the node far(-2)? ended with exit code 255, see "
                + run
                + "/nodes/far(-2)?\\.log, which ends: ssh: connect to host far port 22: Connection"
                + " refused\n");
    // Each of a host's nodes has a log of its own.
    assertThat(run.resolve("nodes/far-2.log")).content().contains("Connection refused");
  }

  /** Killed as soon as it is there, it has no time to join. */
  @Test
  @Timeout(120)
  void nodeKilledBeforeItJoins_isNamedAtOnce() throws Exception {
    Process launch =
        launch(
            directory.resolve("early"),
            List.of("cluster.join-timeout-seconds=1000"),
            "--local",
            "3",
            "--restarts",
            "0");
    List<Long> nodes = new ArrayList<>();
    String output = read(launch, nodes, "node critic");
    ProcessHandle.of(nodes.get(0)).orElseThrow().destroyForcibly();
    output += read(launch, nodes, "never");
    assertThat(launch.waitFor()).as(output).isEqualTo(2);
    assertThat(output)
        .containsOnlyOnce("the node critic ended with exit code 137")
        .contains("error: the node critic ended with exit code 137, see ")
        .contains("early/nodes/critic.log")
        .contains("nothing was trained yet");
    assertThat(nodes).noneMatch(LaunchTest::alive);
  }

  /** The critic comes last, in PPO: nobody waits for it, and nobody is at work there. */
  @Test
  @Timeout(180)
  void nodeKilledBeforeItsRoleIsOpened_failsThereAtOnce() throws Exception {
    Process launch = launch(directory.resolve("unopened"), "--local", "3", "--restarts", "0");
    List<Long> nodes = new ArrayList<>();
    String output = read(launch, nodes, "sft ");
    ProcessHandle.of(nodes.get(0)).orElseThrow().destroyForcibly();
    output += read(launch, nodes, "never");
    assertThat(launch.waitFor()).as(output).isEqualTo(1);
    assertThat(output)
        .contains("the node critic ended with exit code 137")
        .containsPattern(
            "error: the critic is lost: its node 127\\.0\\.0\\.1:\\d+ ended before it was there");
    assertThat(nodes).noneMatch(LaunchTest::alive);
  }

  private static Path script(Path file, String line) throws IOException {
    Files.writeString(file, "#!/bin/sh\n" + line + "\n");
    assertThat(file.toFile().setExecutable(true)).isTrue();
    return file;
  }

  /**
   * A node is killed; then another is stopped, which is as good as dead and must not go on beside
   * the one in its place; then the process that drives them is killed.
   */
  @Test
  void lostProcesses_areStartedAgain_andTheRunGoesOnToTheSameBytes() throws Exception {
    Path run = directory.resolve("again");
    Process launch = launch(run, "--local", "3");
    List<Long> nodes = new ArrayList<>();
    String output = read(launch, nodes, "ppo ");
    signal("KILL", nodes.get(2));
    output += read(launch, nodes, "ppo ");
    signal("STOP", nodes.get(3));
    output += read(launch, nodes, "ppo ");
    signal("KILL", driver(output));
    output += read(launch, nodes, "never");
    assertThat(launch.waitFor()).as(output).isZero();
    assertThat(output)
        .contains("the node policy ended with exit code 137")
        .containsPattern("recovering: the policy is lost: its node 127\\.0\\.0\\.1:\\d+ ended")
        .doesNotContain("\nerror: ")
        .contains("starting the nodes again (1 of 3)")
        .contains("node critic is silent; what its threads do is in " + run + "/nodes/critic.log")
        .containsOnlyOnce("is given up")
        .contains("node critic is given up and ended, as nothing was heard of it")
        .contains("starting the nodes again (2 of 3)")
        .contains("the driver ended with exit code 137; starting it again (1 of 3)");
    assertThat(nodes).hasSize(12).noneMatch(LaunchTest::alive);
    assertThat(run.resolve("nodes/policy.log")).content().containsPattern("(?s)joined .*joined ");
    assertSameBytesAsAlone(run);
  }

  /** The process that drives the run: the command's own starts it, and starts it again. */
  private static long driver(String output) {
    Matcher told = Pattern.compile("driver: process (\\d+)").matcher(output);
    assertThat(told.find()).as(output).isTrue();
    return Long.parseLong(told.group(1));
  }

  private static void signal(String name, long process) throws Exception {
    assertThat(new ProcessBuilder("kill", "-" + name, "" + process).start().waitFor()).isZero();
  }

  /**
   * As the page on clusters has it; a node with certificates of another authority is turned away.
   */
  @Test
  @Timeout(300)
  void nodesStartedByHand_withCertificates_giveTheBytesOfOneJvm() throws Exception {
    Path run = directory.resolve("by-hand");
    Path mine = certificates("mine");
    Process launch = launch(run, "--local", "0", "--certificates", mine.toString());
    String output = read(launch, new ArrayList<>(), "a node that is started by hand joins with: ");
    Matcher join =
        Pattern.compile("--join (\\S+) --roles (\\S+) --certificates DIR/NODE --output (\\S+)")
            .matcher(output);
    assertThat(join.find()).as(output).isTrue();
    List<String> node =
        List.of(
            "node", "--join", join.group(1), "--roles", join.group(2), "--output", join.group(3));
    Process stranger = start(with(node, certificates("others"), "--join-timeout", "10"));
    String refused = read(stranger, new ArrayList<>(), "never");
    assertThat(stranger.waitFor()).as(refused).isEqualTo(2);
    assertThat(refused).contains("its certificate is of another authority");
    Process own = start(with(node, mine));
    output += read(launch, new ArrayList<>(), "never");
    assertThat(launch.waitFor()).as(output).isZero();
    assertThat(read(own, new ArrayList<>(), "never")).contains("joined " + join.group(1));
    assertThat(own.waitFor()).isZero();
    assertSameBytesAsAlone(run);
  }

  /** Else it would wait for ever, and nobody would start it again for the driver that goes on. */
  @Test
  void nodesStartedByHand_whoseDriverIsKilled_end() throws Exception {
    List<String> endless = List.of("ppo.iterations=10000");
    Path run = directory.resolve("killed");
    Path mine = certificates("killed-keys");
    Process launch =
        launch(run, endless, "--local", "0", "--restarts", "0", "--certificates", mine.toString());
    String output = read(launch, new ArrayList<>(), "a node that is started by hand joins with: ");
    Matcher join = Pattern.compile("--join (\\S+)").matcher(output);
    assertThat(join.find()).as(output).isTrue();
    List<Process> nodes = new ArrayList<>();
    for (String roles : List.of("policy,critic", "judge")) {
      List<String> node =
          List.of("node", "--join", join.group(1), "--roles", roles, "--output", run.toString());
      nodes.add(start(with(node, mine)));
    }
    read(launch, new ArrayList<>(), "sft ");
    launch.destroyForcibly();
    for (Process node : nodes) {
      String said = read(node, new ArrayList<>(), "never");
      assertThat(node.waitFor()).as(said).isEqualTo(3);
      assertThat(said)
          .contains("cut off from its run: the run's driver has ended, or they did not");
    }
  }

  /** The one that drives is lost for good, and another takes its place. */
  @Test
  @Timeout(300)
  void nodesStartedByHand_whoseDriverIsLost_goOnWithTheOneThatStandsBy() throws Exception {
    List<String> often = List.of("checkpoints.every-steps=1");
    Path run = directory.resolve("taken-over");
    String mine = certificates("taken-over-keys").toString();
    String[] driving = {"--local", "0", "--restarts", "0", "--certificates", mine};
    Process first = launch(run, often, driving);
    String output = read(first, new ArrayList<>(), "a node that is started by hand joins with: ");
    Matcher join = Pattern.compile("--join (\\S+)").matcher(output);
    assertThat(join.find()).as(output).isTrue();
    int port = freePort();
    Process second =
        launch(
            run,
            often,
            Stream.concat(
                    Stream.of(driving), Stream.of("--port", "" + port, "--stand-by", join.group(1)))
                .toArray(String[]::new));
    String said = read(second, new ArrayList<>(), "standing by: the run's driver is ");
    Process node =
        start(
            with(
                List.of(
                    "node",
                    "--rejoin",
                    "--join",
                    join.group(1) + ",127.0.0.1:" + port,
                    "--roles",
                    "policy,critic,judge",
                    "--output",
                    run.toString()),
                Path.of(mine)));
    read(first, new ArrayList<>(), "ppo ");
    first.destroyForcibly();
    said += read(second, new ArrayList<>(), "never");
    assertThat(second.waitFor()).as(said).isZero();
    assertThat(said)
        .contains("the run's driver " + join.group(1) + " is lost, or this host is cut off")
        .contains("waiting for the run's nodes at 127.0.0.1:" + port);
    String its = read(node, new ArrayList<>(), "never");
    assertThat(node.waitFor()).as(its).isZero();
    assertThat(its).containsOnlyOnce("joining again");
    assertThat(run.resolve("drivers")).isDirectoryContaining("glob:**00000002");
    assertSameBytesAsAlone(run);
  }

  private static int freePort() throws IOException {
    try (ServerSocket socket = new ServerSocket(0)) {
      return socket.getLocalPort();
    }
  }

  private static List<String> with(List<String> node, Path certificates, String... more) {
    List<String> all = new ArrayList<>(node);
    all.addAll(List.of("--certificates", certificates.toString()));
    all.addAll(List.of(more));
    return all;
  }

  @Test
  void node_seedUnreachable_saysSo() throws Exception {
    Process node =
        start(
            List.of(
                "node",
                "--join",
                "127.0.0.1:1",
                "--roles",
                "policy",
                "--join-timeout",
                "2",
                "--certificates",
                certificates("unreachable").toString(),
                "--output",
                "" + directory.resolve("unreachable-run")));
    String output = read(node, new ArrayList<>(), "never");
    assertThat(node.waitFor()).isEqualTo(2);
    assertThat(output)
        .contains("error: cannot reach the seed node 127.0.0.1:1 after 2 s. Is a run started there")
        .doesNotContain("\tat ");
  }

  private static Path certificates(String name) {
    Path made = directory.resolve(name);
    assertThat(
            Troupe.execute(
                new PrintWriter(Writer.nullWriter()),
                new PrintWriter(System.err, true, StandardCharsets.UTF_8),
                "certificates",
                made.toString()))
        .isZero();
    return made;
  }

  private static Process launch(Path output, String... options) throws IOException {
    return launch(output, List.of(), options);
  }

  private static Process launch(Path output, List<String> more, String... options)
      throws IOException {
    List<String> arguments = new ArrayList<>(List.of("launch"));
    arguments.addAll(List.of(options));
    withConfiguration(arguments, output);
    more.forEach(override -> arguments.addAll(List.of("--set", override)));
    return start(arguments);
  }

  private static List<String> withConfiguration(List<String> arguments, Path output) {
    for (String override : Quickstarts.shortened(output)) {
      arguments.addAll(List.of("--set", override));
    }
    arguments.add(Quickstarts.CONFIGURATION.toString());
    return arguments;
  }

  /** What is tried with these is how nodes come to be, and not what they learn. */
  private static List<String> withoutPpo(List<String> arguments, Path output) {
    withConfiguration(arguments, output).addAll(List.of("--set", "stages=[sft, reward]"));
    return arguments;
  }

  private static Process start(List<String> arguments) throws IOException {
    return start(directory, arguments);
  }

  private static Process start(Path home, List<String> arguments) throws IOException {
    return start(home, arguments, Map.of());
  }

  private static Process start(Path home, List<String> arguments, Map<String, String> environment)
      throws IOException {
    List<String> command = new ArrayList<>(java());
    command.addAll(arguments);
    ProcessBuilder builder = new ProcessBuilder(command).redirectErrorStream(true);
    builder.environment().put("TROUPE_HOME", home.toString());
    builder.environment().putAll(environment);
    return builder.start();
  }

  private static List<String> java() {
    return List.of(
        Path.of(System.getProperty("java.home"), "bin", "java").toString(),
        "-Xmx512m",
        // They live for seconds, and most of their work is native.
        "-XX:TieredStopAtLevel=1",
        "-cp",
        System.getProperty("java.class.path"),
        Troupe.class.getName());
  }

  /**
   * Reads until a line starts with {@code until} or the output ends, and notes the nodes'
   * processes.
   */
  private static String read(Process process, List<Long> nodes, String until) {
    return read(process, nodes, until, line -> {});
  }

  private static String read(
      Process process, List<Long> nodes, String until, Consumer<String> listener) {
    StringBuilder output = new StringBuilder();
    BufferedReader reader = process.inputReader();
    try {
      for (String line = reader.readLine(); line != null; line = reader.readLine()) {
        output.append(line).append('\n');
        Matcher node = NODE.matcher(line);
        if (node.find()) {
          nodes.add(Long.parseLong(node.group(2)));
        }
        listener.accept(line);
        if (line.startsWith(until)) {
          break;
        }
      }
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
    return output.toString();
  }

  private static boolean alive(long pid) {
    return ProcessHandle.of(pid).map(ProcessHandle::isAlive).orElse(false);
  }
}
