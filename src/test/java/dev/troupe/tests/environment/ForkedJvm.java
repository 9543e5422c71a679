package dev.troupe.tests.environment;

import dev.troupe.launcher.Troupe;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;

/** A JVM of its own, with this one's class path. */
final class ForkedJvm {
  /** The small model that comes with the sources. */
  static final Path MODEL =
      Path.of(System.getProperty("troupe.root")).resolve("configs/quickstart-base");

  private final List<String> options = new ArrayList<>();
  private final Map<String, String> environment;
  private final Path directory;

  /**
   * @param directory to start in
   */
  ForkedJvm(Path directory, Map<String, String> environment, String... options) {
    this.directory = directory;
    this.environment = environment;
    this.options.addAll(List.of("-Dfile.encoding=UTF-8", "-XX:TieredStopAtLevel=1"));
    this.options.addAll(List.of(options));
  }

  record Ended(int code, String out, String err) {}

  Ended troupe(String... arguments) throws IOException, InterruptedException {
    return main(Troupe.class, arguments);
  }

  Ended main(Class<?> type, String... arguments) throws IOException, InterruptedException {
    List<String> command = new ArrayList<>(command(type));
    command.addAll(Arrays.asList(arguments));
    return run(command);
  }

  /** Java with its options and the main class. */
  List<String> command(Class<?> type) {
    List<String> command = new ArrayList<>();
    command.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
    command.addAll(options);
    command.addAll(List.of("-cp", System.getProperty("java.class.path"), type.getName()));
    return command;
  }

  Ended run(List<String> command) throws IOException, InterruptedException {
    Path out = Files.createTempFile(directory, "out", ".txt");
    Path err = Files.createTempFile(directory, "err", ".txt");
    ProcessBuilder builder =
        new ProcessBuilder(command)
            .directory(directory.toFile())
            .redirectOutput(out.toFile())
            .redirectError(err.toFile());
    builder.environment().putAll(environment);
    Process process = builder.start();
    if (!process.waitFor(5, TimeUnit.MINUTES)) {
      process.destroyForcibly();
      throw new IllegalStateException(command + " did not end");
    }
    return new Ended(
        process.exitValue(),
        Files.readString(out, StandardCharsets.UTF_8),
        Files.readString(err, StandardCharsets.UTF_8));
  }
}
