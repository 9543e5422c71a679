package dev.troupe.rewards;

import dev.troupe.rlhf.port.ScorerException;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.concurrent.ThreadLocalRandom;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;

/**
 * Runs a program that is not trusted: in namespaces of its own by bubblewrap, without a network,
 * with a root that cannot be written, an empty environment, and limits of time, memory, processes
 * and output. Where bubblewrap cannot do that, nothing is run.
 *
 * @param limits of each run
 * @param parallel runs at the same time, at most
 * @param bubblewrap the program
 * @param counting who the limit of processes counts
 */
record Sandbox(Limits limits, int parallel, String bubblewrap, Counting counting) {
  Sandbox(Limits limits, int parallel) {
    this(limits, parallel, "bwrap", Counting.EACH);
  }

  /** What a system counts for the limit of processes. */
  enum Counting {
    /** The processes of each sandbox for itself: since Linux 5.14, or where each has its user. */
    EACH,
    /** All of the user's. So the limit is one for all sandboxes, and none is held to its share. */
    TOGETHER
  }

  /**
   * What a run may take.
   *
   * @param seconds on the clock; rounded up, of processor time
   * @param memoryMegabytes of address space, each process
   * @param processes at the same time
   */
  record Limits(double seconds, int memoryMegabytes, int processes) {}

  /** How a run ended. */
  enum Ending {
    /** By itself, with exit code 0. */
    DONE,
    /** With another exit code, or by a signal. */
    FAILED,
    /** By the clock. */
    TIME,
    /** It printed too much. */
    OUTPUT
  }

  /**
   * What came of a run.
   *
   * @param output of its standard output
   * @param errors the beginning of its standard error
   */
  record Outcome(Ending ending, String output, String errors) {}

  /** The sandbox itself did not work. */
  static final class Broken extends IOException {
    private static final long serialVersionUID = 1;

    Broken(String message) {
      super(message);
    }
  }

  private static final int MOST_OUTPUT = 1 << 20;
  private static final int MOST_ERRORS = 4096;
  private static final int KILLED = 137;

  /** Bubblewrap's own processes. */
  private static final int OWN_PROCESSES = 4;

  /** Threads that this process may begin while programs run: a few for each of them, and others. */
  private static final int OWN_THREADS = 1024;

  private static final Path JOB = Path.of("/job");

  /**
   * Tries it.
   *
   * @param name of the scorer, for errors
   * @return the same as it can be used here
   * @throws ScorerException when nothing can be run here, and why
   */
  Sandbox checked(String name) {
    Optional<String> each = fault();
    if (each.isEmpty()) {
      return this;
    }
    Sandbox together = new Sandbox(limits, parallel, bubblewrap, Counting.TOGETHER);
    String why = each.get();
    if (together.fault().isEmpty()) {
      return together;
    }
    throw new ScorerException(
        name
            + ": programs are run in a sandbox alone, and there is none here: "
            + why
            + ". It needs bubblewrap (Debian: apt install bubblewrap), util-linux, coreutils and"
            + " user namespaces; a container has them where its runtime allows them");
  }

  /** What is wrong with a first try, in which two processes are needed and few are allowed. */
  private Optional<String> fault() {
    try {
      Path empty = Files.createTempDirectory("troupe-sandbox-");
      try {
        Sandbox few =
            new Sandbox(
                new Limits(limits.seconds(), limits.memoryMegabytes(), 2),
                parallel,
                bubblewrap,
                counting);
        Outcome outcome = few.run(empty, List.of("/bin/sh", "-c", "/usr/bin/true & wait"), "");
        // A shell that cannot fork says so, and what it waits for is then all there.
        return outcome.ending() == Ending.DONE && outcome.errors().isEmpty()
            ? Optional.empty()
            : Optional.of(
                "a first try ended with " + outcome.ending() + ": " + outcome.errors().strip());
      } finally {
        Files.delete(empty);
      }
    } catch (IOException e) {
      return Optional.of(String.valueOf(e.getMessage()));
    }
  }

  /**
   * Runs a command.
   *
   * @param directory that it sees as /job and cannot write
   * @param input of its standard input
   * @throws Broken when the sandbox could not be made
   */
  Outcome run(Path directory, List<String> command, String input) throws IOException {
    ProcessBuilder builder = new ProcessBuilder(line(directory, command));
    builder.environment().clear();
    builder.environment().put("PATH", "/usr/sbin:/usr/bin:/sbin:/bin");
    Process process;
    try {
      process = builder.start();
    } catch (IOException e) {
      throw new Broken(String.valueOf(e.getMessage()));
    }
    StringBuilder errors = new StringBuilder();
    Thread writer = Threads.daemon(() -> feed(process.getOutputStream(), input), "sandbox-in");
    Thread reader = Threads.daemon(() -> drain(process.getErrorStream(), errors), "sandbox-err");
    writer.start();
    reader.start();
    try {
      byte[] output;
      boolean overflow;
      try (InputStream out = process.getInputStream()) {
        output = out.readNBytes(MOST_OUTPUT + 1);
        overflow = output.length > MOST_OUTPUT;
        if (overflow) {
          process.destroyForcibly();
        }
      }
      if (!process.waitFor((long) limits.seconds() + 10, TimeUnit.SECONDS)) {
        throw new Broken("a program that was to be killed after its time still runs");
      }
      reader.join(TimeUnit.SECONDS.toMillis(10));
      String text = new String(output, StandardCharsets.UTF_8);
      String said;
      synchronized (errors) {
        said = errors.toString();
      }
      return ended(process.exitValue(), overflow, text, said);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new Broken("the run was stopped");
    } finally {
      process.destroyForcibly();
    }
  }

  private static Outcome ended(int code, boolean overflow, String output, String errors)
      throws Broken {
    // What fails before the program runs says so; a program can say it too, and then its answer is
    // left out, not paid for.
    if (code != 0
        && Stream.of("bwrap: ", "timeout: ", "prlimit: ", "setpriv: ")
            .anyMatch(errors::startsWith)) {
      throw new Broken(errors.strip());
    }
    Ending ending =
        overflow
            ? Ending.OUTPUT
            : code == 0 ? Ending.DONE : code == KILLED ? Ending.TIME : Ending.FAILED;
    return new Outcome(ending, output, errors);
  }

  private static void feed(OutputStream in, String input) {
    try (in) {
      in.write(input.getBytes(StandardCharsets.UTF_8));
    } catch (IOException e) {
      // A program need not read what it is given.
    }
  }

  private static void drain(InputStream err, StringBuilder errors) {
    byte[] buffer = new byte[MOST_ERRORS];
    try (err) {
      for (int count = err.read(buffer); count >= 0; count = err.read(buffer)) {
        synchronized (errors) {
          int room = Math.min(count, MOST_ERRORS - errors.length());
          errors.append(new String(buffer, 0, Math.max(0, room), StandardCharsets.UTF_8));
        }
      }
    } catch (IOException e) {
      // The process is gone.
    }
  }

  private List<String> line(Path directory, List<String> command) throws IOException {
    int processor = (int) Math.ceil(limits.seconds());
    List<String> line = new ArrayList<>();
    // timeout stands between: the sandbox dies with its parent, which must not be a thread.
    add(line, "timeout", "-s", "KILL", String.format(Locale.ROOT, "%.3f", limits.seconds()));
    long processes = (long) limits.processes() + OWN_PROCESSES;
    if (ownUser() == 0) {
      // Root's processes are not counted; a user whom nobody else is has a count of its own.
      String user = Integer.toString(ThreadLocalRandom.current().nextInt(1_000_000, 2_000_000_000));
      add(line, "setpriv", "--reuid=" + user, "--regid=" + user, "--clear-groups");
      add(line, "--inh-caps=-all", "--bounding-set=-all");
    }
    add(line, "prlimit", "--as=" + ((long) limits.memoryMegabytes() << 20));
    add(line, "--cpu=" + processor + ":" + (processor + 1));
    add(line, "--fsize=10485760", "--nofile=64", "--core=0");
    if (counting == Counting.TOGETHER) {
      // Room for all at once, so that a sandbox does not starve beside those within their limits.
      add(line, "--nproc=" + (ownTasks() + OWN_THREADS + parallel * processes));
    }
    add(line, bubblewrap, "--unshare-all", "--unshare-user", "--disable-userns");
    add(line, "--die-with-parent", "--new-session", "--clearenv");
    add(line, "--setenv", "PATH", "/usr/bin:/bin", "--setenv", "HOME", "/tmp");
    add(line, "--setenv", "LANG", "C.UTF-8", "--setenv", "PYTHONHASHSEED", "0");
    add(line, "--ro-bind", "/usr", "/usr", "--symlink", "usr/lib", "/lib");
    add(line, "--symlink", "usr/lib64", "/lib64", "--symlink", "usr/bin", "/bin");
    add(line, "--proc", "/proc", "--dev", "/dev");
    add(line, "--size", "16777216", "--tmpfs", "/dev/shm", "--remount-ro", "/dev");
    add(line, "--size", "67108864", "--tmpfs", "/tmp");
    add(line, "--ro-bind", directory.toString(), JOB.toString(), "--remount-ro", "/");
    add(line, "--chdir", "/tmp", "--hostname", "sandbox", "--uid", "1000", "--gid", "1000");
    add(line, "--cap-drop", "ALL");
    if (counting == Counting.EACH) {
      // Within: the count of a limit is that of the namespace in which it was set.
      add(line, "/usr/bin/prlimit", "--nproc=" + processes);
    }
    line.addAll(command);
    return line;
  }

  private static void add(List<String> line, String... more) {
    line.addAll(List.of(more));
  }

  private static int ownUser() throws IOException {
    return user(Path.of("/proc/self")).orElseThrow(() -> new Broken("/proc/self has no user"));
  }

  private static Optional<Integer> user(Path process) throws IOException {
    return status(process, "Uid:").map(text -> Integer.parseInt(text.split("\\s+", 2)[0]));
  }

  private static Optional<String> status(Path process, String key) throws IOException {
    try (Stream<String> lines = Files.lines(process.resolve("status"), StandardCharsets.UTF_8)) {
      return lines
          .filter(line -> line.startsWith(key))
          .map(line -> line.substring(key.length()).strip())
          .findFirst();
    }
  }

  /** Threads of this user, which the limit of processes counts as well. */
  private static long ownTasks() throws IOException {
    int user = ownUser();
    long tasks = 0;
    List<Path> processes;
    try (Stream<Path> all = Files.list(Path.of("/proc"))) {
      processes = all.filter(path -> path.getFileName().toString().matches("\\d+")).toList();
    }
    for (Path process : processes) {
      try {
        if (user(process).filter(id -> id == user).isPresent()) {
          tasks += status(process, "Threads:").map(Long::parseLong).orElse(1L);
        }
      } catch (IOException | UncheckedIOException e) {
        // It has ended.
      }
    }
    return tasks;
  }

  /** A directory with one file that every user may read. */
  static Path job(String file, String content) throws IOException {
    Path directory = Files.createTempDirectory("troupe-code-");
    Files.writeString(directory.resolve(file), content);
    Files.setPosixFilePermissions(
        directory.resolve(file), PosixFilePermissions.fromString("rw-r--r--"));
    Files.setPosixFilePermissions(directory, PosixFilePermissions.fromString("rwxr-xr-x"));
    return directory;
  }

  /** Where a job's file is within. */
  static String path(String file) {
    return JOB.resolve(file).toString();
  }
}
