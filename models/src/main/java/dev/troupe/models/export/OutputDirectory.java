package dev.troupe.models.export;

import dev.troupe.models.checkpoint.CheckpointException;
import dev.troupe.models.checkpoint.DurableFiles;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Comparator;
import java.util.List;
import java.util.stream.Stream;

/**
 * A directory that appears under its name only when all of it is written: an export that fails or
 * is killed leaves nothing there that looks whole.
 */
final class OutputDirectory implements AutoCloseable {
  private final Path output;
  private final Path part;
  private boolean kept;

  private OutputDirectory(Path output, Path part) {
    this.output = output;
    this.part = part;
  }

  /**
   * @param output must not exist, or be an empty directory
   */
  static OutputDirectory make(Path output) {
    Path absolute = output.toAbsolutePath().normalize();
    refuseToOverwrite(absolute);
    try {
      Path parent = absolute.getParent();
      if (parent == null) {
        throw new CheckpointException(output + " is no place for an export; name a new directory.");
      }
      Files.createDirectories(parent);
      // Not a temporary directory: those are their owner's alone, an export is like any other.
      Path part =
          parent.resolve("." + absolute.getFileName() + ".part-" + ProcessHandle.current().pid());
      return new OutputDirectory(absolute, Files.createDirectory(part));
    } catch (IOException e) {
      throw new CheckpointException(output + " cannot be made: " + e, e);
    }
  }

  private static void refuseToOverwrite(Path output) {
    if (!Files.exists(output)) {
      return;
    }
    if (!Files.isDirectory(output)) {
      throw new CheckpointException(output + " exists and is not a directory; name another.");
    }
    try (Stream<Path> entries = Files.list(output)) {
      if (entries.findAny().isPresent()) {
        throw new CheckpointException(
            output
                + " exists and is not empty; nothing is overwritten. Name another directory, or remove it first.");
      }
    } catch (IOException e) {
      throw new CheckpointException(output + " cannot be listed: " + e, e);
    }
  }

  /** Where to write. */
  Path path() {
    return part;
  }

  /** All is written: under its name now. */
  void keep() {
    try {
      DurableFiles.syncTree(part);
      Files.deleteIfExists(output);
      DurableFiles.rename(part, output);
      kept = true;
    } catch (IOException e) {
      throw new CheckpointException(output + " cannot be written: " + e, e);
    }
  }

  @Override
  public void close() {
    if (kept) {
      return;
    }
    try (Stream<Path> tree = Files.walk(part)) {
      List<Path> deepestFirst = tree.sorted(Comparator.reverseOrder()).toList();
      for (Path path : deepestFirst) {
        Files.delete(path);
      }
    } catch (IOException e) {
      throw new CheckpointException(part + " cannot be removed: " + e, e);
    }
  }
}
