package dev.troupe.launcher;

import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;

/**
 * The node processes of a cluster that this process started. Each writes to a log of its own and
 * lives no longer than we do: its standard input is a pipe from us, and a managed node ends when
 * that closes, whatever became of us.
 */
final class Children implements AutoCloseable {
  private static final long GRACE_SECONDS = 15;

  private final Path logs;
  private final boolean append;
  private final List<Child> children = new CopyOnWriteArrayList<>();
  private volatile boolean closing;

  /** One of them. */
  record Child(String name, Process process, Path log, CompletableFuture<Void> watch) {
    /** Ends it at once, even when it is stopped. */
    void kill() {
      process.destroyForcibly();
    }

    /**
     * Asks a JVM of this machine to write to its log what its threads do; one that is stopped does
     * so when it goes on.
     */
    void dumpThreads() {
      try {
        new ProcessBuilder("kill", "-QUIT", String.valueOf(process.pid())).start();
      } catch (IOException e) {
        // No such command here; what its threads do is then not known.
      }
    }
  }

  /** How a node's process ended. */
  record End(String node, int code, Path log) {
    private static final int LONGEST = 500;

    /** By a signal: 128 and its number, as shells and Java have it; 255 is ssh's own. */
    boolean killed() {
      return code > 128 && code < 255;
    }

    /** With the last that the node, or ssh in its place, had to say. */
    String sentence() {
      String words = lastLine();
      return "the node "
          + node
          + " ended with exit code "
          + code
          + ", see "
          + log
          + (words.isEmpty() ? "" : ", which ends: " + words);
    }

    private String lastLine() {
      String last = "";
      try (BufferedReader lines =
          new BufferedReader(
              new InputStreamReader(Files.newInputStream(log), StandardCharsets.UTF_8))) {
        for (String line = lines.readLine(); line != null; line = lines.readLine()) {
          last = line.isBlank() ? last : line.strip();
        }
      } catch (IOException e) {
        return "";
      }
      return last.length() > LONGEST ? last.substring(0, LONGEST) + "…" : last;
    }
  }

  /**
   * @param logs directory for NAME.log
   * @param append to logs that are there, or else anew
   */
  Children(Path logs, boolean append) {
    this.logs = logs;
    this.append = append;
  }

  /** With logs that begin anew. */
  Children(Path logs) {
    this(logs, false);
  }

  boolean isClosing() {
    return closing;
  }

  /**
   * Starts one.
   *
   * @param said to it over its standard input, which stays open
   * @param onDeath hears of its end, when that comes before {@link #close}
   */
  Child start(String name, List<String> command, HandOver said, Consumer<End> onDeath) {
    Path log = logs.resolve(name + ".log");
    try {
      Files.createDirectories(logs);
      Process process =
          new ProcessBuilder(command)
              .redirectErrorStream(true)
              .redirectOutput(
                  append || isKnown(name)
                      ? ProcessBuilder.Redirect.appendTo(log.toFile())
                      : ProcessBuilder.Redirect.to(log.toFile()))
              .start();
      var watch =
          process
              .onExit()
              .thenAccept(
                  ended -> {
                    if (!closing) {
                      onDeath.accept(new End(name, ended.exitValue(), log));
                    }
                  });
      Child child = new Child(name, process, log, watch);
      children.add(child);
      say(process, said);
      return child;
    } catch (IOException e) {
      throw new UserException(
          "cannot start node " + name + " with '" + command.get(0) + "': " + e.getMessage(), e);
    }
  }

  private boolean isKnown(String name) {
    return children.stream().anyMatch(child -> child.name().equals(name));
  }

  private static void say(Process process, HandOver said) {
    try {
      process.getOutputStream().write(said.bytes());
      process.getOutputStream().flush();
    } catch (IOException e) {
      // It has ended already, and its end is told.
    }
  }

  List<Long> pids() {
    return children.stream().map(child -> child.process().pid()).toList();
  }

  /** Asks all to end, and ends those that do not within {@value #GRACE_SECONDS} seconds. */
  @Override
  public void close() {
    closing = true;
    for (Child child : children) {
      try {
        child.process().getOutputStream().close();
      } catch (IOException e) {
        child.process().destroy();
      }
    }
    long deadline = System.nanoTime() + TimeUnit.SECONDS.toNanos(GRACE_SECONDS);
    for (Child child : children) {
      try {
        long left = Math.max(1, deadline - System.nanoTime());
        if (!child.process().waitFor(left, TimeUnit.NANOSECONDS)) {
          child.process().destroyForcibly();
        }
      } catch (InterruptedException e) {
        child.process().destroyForcibly();
        Thread.currentThread().interrupt();
      }
    }
  }
}
