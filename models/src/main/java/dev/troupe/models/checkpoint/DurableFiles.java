package dev.troupe.models.checkpoint;

import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.util.List;
import java.util.stream.Stream;

/**
 * Files that are whole after a loss of power as after a crash: bytes reach the disk before the name
 * does, and the name before anybody goes on.
 */
public final class DurableFiles {
  private static final String PART = ".part";

  private DurableFiles() {}

  /** Waits until a file's bytes, or a directory's names, are on the disk. */
  public static void sync(Path path) throws IOException {
    try (FileChannel channel = FileChannel.open(path, StandardOpenOption.READ)) {
      channel.force(true);
    }
  }

  /** As {@link #sync}, of a directory and all that is below it. */
  public static void syncTree(Path directory) throws IOException {
    List<Path> below;
    try (Stream<Path> walk = Files.walk(directory)) {
      below = walk.filter(path -> !Files.isSymbolicLink(path)).toList();
    }
    for (Path path : below) {
      sync(path);
    }
  }

  /**
   * Gives a file or directory that is on the disk its name, in place of what has it.
   *
   * @param from of the same file system, {@linkplain #sync synced}
   */
  public static void rename(Path from, Path to) throws IOException {
    Files.move(from, to, StandardCopyOption.REPLACE_EXISTING, StandardCopyOption.ATOMIC_MOVE);
    Path parent = to.toAbsolutePath().getParent();
    if (parent != null) {
      sync(parent);
    }
  }

  /** Writes a text file, whole or not at all; never through a link. */
  public static void write(Path file, String text) throws IOException {
    Path part = file.resolveSibling(file.getFileName() + PART);
    try (FileChannel channel =
        FileChannel.open(
            part,
            StandardOpenOption.CREATE,
            StandardOpenOption.TRUNCATE_EXISTING,
            StandardOpenOption.WRITE,
            LinkOption.NOFOLLOW_LINKS)) {
      var bytes = StandardCharsets.UTF_8.encode(text);
      while (bytes.hasRemaining()) {
        channel.write(bytes);
      }
      channel.force(true);
    }
    rename(part, file);
  }
}
