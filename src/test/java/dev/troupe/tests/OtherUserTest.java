package dev.troupe.tests;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.troupe.actors.cluster.Ensemble;
import dev.troupe.actors.role.RunFiles;
import dev.troupe.actors.trust.Authority;
import dev.troupe.protocol.event.RunEvent;
import java.io.File;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Queue;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/**
 * The attack by another local user, nobody (65534): a JVM of theirs speaks to the driver's and to a
 * node's port. Only root can be somebody else: elsewhere this is skipped.
 */
@Timeout(180)
class OtherUserTest {
  private static final String NOBODY = "65534";
  private static final String LOOPBACK = "127.0.0.1";
  private static final Duration LONG = Duration.ofSeconds(60);
  private static final Path SETPRIV = Path.of("/usr/bin/setpriv");

  @TempDir private Path directory;

  @Test
  void ordersOfAnotherUser_areRefusedAndNamed() throws Exception {
    assumeTrue(
        System.getProperty("user.name").equals("root") && Files.isExecutable(SETPRIV),
        "only root, with setpriv, can become another user");
    Files.setPosixFilePermissions(directory, PosixFilePermissions.fromString("rwxr-xr-x"));
    Path stolen = directory.resolve("stolen");
    Authority authority = Authority.create("run", Duration.ofHours(1));
    Queue<String> notices = new ConcurrentLinkedQueue<>();
    try (Ensemble driver =
            Ensemble.seed(LOOPBACK, 0, authority.issue("driver", Duration.ofHours(1)));
        Ensemble node =
            Ensemble.node(
                LOOPBACK,
                0,
                driver.address(),
                List.of("policy"),
                LONG,
                new Ensemble.Place(
                    authority.issue("node", Duration.ofHours(1)), RunFiles.of(directory)),
                new Strangers.Nothing())) {
      driver.cast(Map.of("policy", "policy"), LONG, LONG, event -> noticed(event, notices));
      String classPath = readable();
      for (Ensemble attacked : List.of(driver, node)) {
        attack(classPath, attacked.address().replaceFirst(".*:", ""), stolen);
        assertThat(notices)
            .as("notices of %s", attacked.address())
            .anyMatch(
                notice ->
                    notice.startsWith(
                            "node " + attacked.address() + " refused a connection with 127.0.0.1:")
                        && notice.endsWith(": it does not speak TLS"));
      }
      assertThat(driver.ended()).isNotDone();
      assertThat(node.ended()).isNotDone();
      assertThat(stolen).doesNotExist();
    }
  }

  private static void noticed(RunEvent.Builder event, Queue<String> notices) {
    if (event.hasNotice()) {
      notices.add(event.getNotice().getText());
    }
  }

  private void attack(String classPath, String port, Path stolen) throws Exception {
    Path output = directory.resolve("attack-" + port + ".log");
    Process attack =
        new ProcessBuilder(
                SETPRIV.toString(),
                "--reuid=" + NOBODY,
                "--regid=" + NOBODY,
                "--clear-groups",
                Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                "-Xmx256m",
                "-Dtroupe.root=" + Quickstarts.ROOT,
                "-cp",
                classPath,
                Strangers.class.getName(),
                port,
                stolen.toString())
            .directory(Path.of("/").toFile())
            .redirectErrorStream(true)
            .redirectOutput(output.toFile())
            .start();
    assertThat(attack.waitFor(90, TimeUnit.SECONDS)).as("it ends").isTrue();
    assertThat(attack.exitValue()).as(Files.readString(output)).isZero();
  }

  /** The class path where everybody may read it, by links where that goes. */
  private String readable() throws IOException {
    Path jars = Files.createDirectory(directory.resolve("class-path"));
    StringBuilder path = new StringBuilder();
    int number = 0;
    for (String entry : System.getProperty("java.class.path").split(File.pathSeparator, -1)) {
      Path source = Path.of(entry);
      if (Files.exists(source)) {
        Path target = jars.resolve(number++ + "-" + source.getFileName());
        path.append(target).append(File.pathSeparator);
        try (Stream<Path> files = Files.walk(source)) {
          for (Path file : files.toList()) {
            link(file, target.resolve(source.relativize(file)));
          }
        }
      }
    }
    return path.toString();
  }

  private static void link(Path source, Path target) throws IOException {
    if (Files.isDirectory(source)) {
      Files.createDirectory(target);
      return;
    }
    try {
      Files.createLink(target, source);
    } catch (UnsupportedOperationException | IOException e) {
      Files.copy(source, target);
    }
  }
}
