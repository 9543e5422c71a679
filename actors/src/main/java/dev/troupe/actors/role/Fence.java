package dev.troupe.actors.role;

import java.io.IOException;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.Locale;
import java.util.stream.Stream;

/**
 * Who may write into a run's directory: the newest of the processes that drove it, and the nodes
 * that play roles for that one. Each driver makes a file {@code drivers/NUMBER} of the next number,
 * which exactly one can make; whoever finds the file after its own has been replaced, whatever it
 * has heard of that.
 */
public final class Fence {
  /** The directory in a run's own. */
  public static final String DIRECTORY = "drivers";

  private final Path run;
  private final long number;

  private Fence(Path run, long number) {
    this.run = run;
    this.number = number;
  }

  /**
   * Replaces whoever drove the run, if anybody did.
   *
   * @param who a few words for people that tell it from others
   */
  public static Fence take(Path run, String who) {
    try {
      Path directory = Files.createDirectories(run.resolve(DIRECTORY));
      for (long next = newest(directory) + 1; ; next++) {
        try {
          Files.writeString(directory.resolve(name(next)), who, StandardOpenOption.CREATE_NEW);
          return new Fence(run, next);
        } catch (FileAlreadyExistsException e) {
          // Another was faster.
        }
      }
    } catch (IOException e) {
      throw new RunFilesException("cannot write into " + run.resolve(DIRECTORY) + ": " + e, e);
    }
  }

  /** Of a node that plays roles for a driver. */
  static Fence of(Path run, long number) {
    return new Fence(run, number);
  }

  private static long newest(Path directory) throws IOException {
    try (Stream<Path> files = Files.list(directory)) {
      return files
          .map(file -> String.valueOf(file.getFileName()))
          .filter(name -> name.matches("\\d{8,}"))
          .mapToLong(Long::parseLong)
          .max()
          .orElse(0);
    }
  }

  private static String name(long number) {
    return String.format(Locale.ROOT, "%08d", number);
  }

  /** Larger than that of every driver before. */
  public long number() {
    return number;
  }

  /**
   * To be called before anything is written.
   *
   * @throws RunFilesException when another has taken the run over
   */
  public void check() {
    Path next = run.resolve(DIRECTORY).resolve(name(number + 1));
    if (Files.exists(next)) {
      throw new RunFilesException(
          "nothing is written into "
              + run
              + " any more: this belongs to the run's driver "
              + number
              + ", and driver "
              + (number + 1)
              + words(next)
              + " has taken the run over");
    }
  }

  private static String words(Path file) {
    try {
      String who = Files.readString(file).strip();
      return who.isEmpty() ? "" : " (" + who + ")";
    } catch (IOException e) {
      return "";
    }
  }
}
