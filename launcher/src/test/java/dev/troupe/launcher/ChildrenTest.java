package dev.troupe.launcher;

import static org.assertj.core.api.Assertions.assertThat;

import dev.troupe.actors.trust.Authority;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class ChildrenTest {
  @TempDir private Path directory;

  /** What has no end but that of its standard input. */
  static final class Waiting {
    public static void main(String[] none) throws IOException {
      System.out.println("up");
      System.in.transferTo(OutputStream.nullOutputStream());
    }
  }

  private static HandOver said() {
    return new HandOver(
        "run", Authority.create("a", Duration.ofDays(1)).issue("n", Duration.ofDays(1)));
  }

  private static List<String> java() {
    return List.of(
        Path.of(System.getProperty("java.home"), "bin", "java").toString(),
        "-cp",
        System.getProperty("java.class.path"),
        Waiting.class.getName());
  }

  private static void awaitText(Path log, String text) throws Exception {
    String look = "until grep -qs '" + text + "' '" + log + "'; do sleep 0.1; done";
    assertThat(new ProcessBuilder("timeout", "60", "sh", "-c", look).start().waitFor())
        .as("'%s' in %s", text, log)
        .isZero();
  }

  @Test
  void dumpThreads_writesThemToTheLog_andTheProcessGoesOn() throws Exception {
    try (Children children = new Children(directory)) {
      Children.Child child = children.start("one", java(), said(), end -> {});
      // A JVM that is not up yet would end by the signal.
      awaitText(child.log(), "up");
      child.dumpThreads();
      awaitText(child.log(), "Full thread dump");
      awaitText(child.log(), "ChildrenTest.Waiting.main");
      assertThat(child.process().isAlive()).isTrue();
    }
  }

  @Test
  void kill_endsEvenWhatIsStopped_andItsEndIsHeard() throws Exception {
    CompletableFuture<Children.End> heard = new CompletableFuture<>();
    try (Children children = new Children(directory)) {
      Children.Child child = children.start("two", java(), said(), heard::complete);
      String pid = "" + child.process().pid();
      assertThat(new ProcessBuilder("kill", "-STOP", pid).start().waitFor()).isZero();
      child.kill();
      Children.End end = heard.join();
      assertThat(end.killed()).isTrue();
      assertThat(end.sentence()).startsWith("the node two ended with exit code 137, see ");
    }
  }
}
