package dev.troupe.launcher;

import java.io.IOException;
import java.io.OutputStream;
import java.io.PrintWriter;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.FileTime;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.BooleanSupplier;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/**
 * Starts the process that drives a run, and starts it again when it was killed or gives no sign of
 * life: the run then goes on from its last checkpoint. It holds nothing of the run, so that the run
 * goes on without it when it is what was killed.
 */
final class Supervisor {
  /** What a driver is told: the file that it touches. */
  static final String SIGN = "--sign";

  /** Another was there before it. */
  static final String AGAIN = "--again";

  /** Longer than nodes wait for their driver: without nodes it would have to start anew anyway. */
  static final int SILENT_SECONDS = 30;

  private static final Duration LONGEST_WAIT = Duration.ofSeconds(30);

  private final List<String> command;
  private final int silentSeconds;
  private final int allowed;
  private final BooleanSupplier trained;
  private final Supplier<String> resume;
  private final PrintWriter out;
  private final PrintWriter err;

  /** The exit code of whoever was asked to stop; 0 when nobody was. */
  private final AtomicInteger stopped = new AtomicInteger();

  private volatile @Nullable Process driver;

  /**
   * @param command that drives, without what a supervised one is told
   * @param silentSeconds after which one that gives no sign of life is ended
   * @param allowed how often it is started again
   * @param trained whether there is a checkpoint to go on from
   * @param resume the command line that goes on with the run
   */
  Supervisor(
      List<String> command,
      int silentSeconds,
      int allowed,
      BooleanSupplier trained,
      Supplier<String> resume,
      PrintWriter out,
      PrintWriter err) {
    this.command = List.copyOf(command);
    this.silentSeconds = silentSeconds;
    this.allowed = allowed;
    this.trained = trained;
    this.resume = resume;
    this.out = out;
    this.err = err;
  }

  /** Until a driver has ended by itself; its exit code. */
  int follow() throws IOException, InterruptedException {
    Path sign = Files.createTempFile("troupe-driver-", ".sign");
    Runnable unheard = Interrupts.SIGNALS.hear(this::stop);
    try {
      int restarts = 0;
      while (true) {
        int code = drive(sign, restarts > 0);
        boolean killed =
            code > 128 && code < 255 && code != ExitCode.INTERRUPTED && code != ExitCode.TERMINATED;
        if (!killed || stopped.get() != 0) {
          return code;
        }
        restarts++;
        if (restarts > allowed) {
          err.println(
              "error: the driver ended with exit code "
                  + code
                  + ", as often as it may (--restarts "
                  + allowed
                  + "); "
                  + (trained.getAsBoolean()
                      ? "what was done is kept; to go on: " + resume.get()
                      : "nothing was trained yet"));
          return ExitCode.FAILURE;
        }
        TimeUnit.MILLISECONDS.sleep(wait(restarts).toMillis());
        if (stopped.get() != 0) {
          return stopped.get();
        }
        say(
            "the driver ended with exit code "
                + code
                + "; starting it again ("
                + restarts
                + " of "
                + allowed
                + ")");
      }
    } finally {
      unheard.run();
      Files.deleteIfExists(sign);
    }
  }

  private int drive(Path sign, boolean again) throws IOException, InterruptedException {
    List<String> words = new ArrayList<>(command);
    words.addAll(List.of(SIGN, sign.toString()));
    if (again) {
      words.add(AGAIN);
      if (trained.getAsBoolean() && !words.contains("--resume")) {
        words.add("--resume");
      }
    }
    Process process =
        new ProcessBuilder(words)
            .redirectOutput(ProcessBuilder.Redirect.INHERIT)
            .redirectError(ProcessBuilder.Redirect.INHERIT)
            .start();
    driver = process;
    say("driver: process " + process.pid());
    FileTime last = Files.getLastModifiedTime(sign);
    int silent = 0;
    // Seconds are counted here and not read from a clock: this process may be stopped as well.
    while (!process.waitFor(1, TimeUnit.SECONDS)) {
      FileTime now = Files.getLastModifiedTime(sign);
      silent = now.equals(last) ? silent + 1 : 0;
      last = now;
      if (silent == silentSeconds) {
        say("the driver has given no sign of life for " + silentSeconds + " s, and is ended");
        process.destroyForcibly();
      }
    }
    driver = null;
    return process.exitValue();
  }

  /** As its own terminal does, this asks for a stop at the next step, and then for one at once. */
  private void stop(int code) {
    stopped.compareAndSet(0, code);
    Process process = driver;
    if (process == null) {
      return;
    }
    try {
      OutputStream orders = process.getOutputStream();
      orders.write((code + "\n").getBytes(StandardCharsets.UTF_8));
      orders.flush();
    } catch (IOException e) {
      // It has ended.
    }
  }

  private void say(String line) {
    out.println(line);
    out.flush();
  }

  /** 1, 2, 4, … seconds. */
  static Duration wait(int count) {
    Duration wait = Duration.ofSeconds(1L << Math.min(count - 1, 10));
    return wait.compareTo(LONGEST_WAIT) < 0 ? wait : LONGEST_WAIT;
  }
}
