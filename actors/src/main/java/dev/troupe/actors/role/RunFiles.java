package dev.troupe.actors.role;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.BasicFileAttributes;
import java.util.Objects;
import java.util.Optional;
import java.util.function.Consumer;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/**
 * The one directory that a node's roles write in and take checkpoints from. A node is told of it by
 * whoever starts it; what messages name is held against it every time, links resolved.
 */
public final class RunFiles {
  /** Of a JVM that takes no messages from others. */
  public static final RunFiles ANYWHERE = new RunFiles(null, true);

  /** Of a JVM that plays no roles. */
  public static final RunFiles NOWHERE = new RunFiles(null, false);

  private static final int OTHERS_WRITE = 0002;
  private static final int STICKY = 01000;

  private final @Nullable Path root;
  private final boolean anywhere;
  private final Runnable fence;

  private RunFiles(@Nullable Path root, boolean anywhere) {
    this(root, anywhere, () -> {});
  }

  private RunFiles(@Nullable Path root, boolean anywhere, Runnable fence) {
    this.root = root;
    this.anywhere = anywhere;
    this.fence = fence;
  }

  /**
   * Below the directory of a run, which need not be there yet. It may be a link itself, or lie
   * behind one: it is the user's own choice.
   */
  public static RunFiles of(Path run) {
    return new RunFiles(run.toAbsolutePath(), false);
  }

  /**
   * The same for one driver of the run: nothing is written for it any more when another has taken
   * the run over.
   *
   * @param driver {@link Fence#number} of it
   */
  RunFiles of(long driver) {
    return root == null ? this : new RunFiles(root, anywhere, Fence.of(root, driver)::check);
  }

  /**
   * Has {@code writer} write into the directory, which is made where it is not there.
   *
   * @throws RunFilesException when it is outside, is reached through a link to the outside, holds
   *     links, or is open to everybody; also when any of that is so afterwards, or it is another
   *     directory by then, since whoever may write there can change it meanwhile; and when the
   *     driver that this is for has been replaced before or meanwhile
   */
  void write(String directory, Consumer<Path> writer) {
    Path place = toWrite(directory);
    if (anywhere) {
      writer.accept(place);
      return;
    }
    fence.run();
    Object before = key(directory, place);
    writer.accept(place);
    fence.run();
    if (!toWrite(directory).equals(place) || !before.equals(key(directory, place))) {
      throw new RunFilesException(
          "while "
              + directory
              + " was written to, somebody put another directory in its place; see who may write"
              + " into the run's directory, and whether anything was written elsewhere");
    }
  }

  /** What tells a directory from any other, whatever its name. */
  private static Object key(String directory, Path place) {
    try {
      Object key =
          Files.readAttributes(place, BasicFileAttributes.class, LinkOption.NOFOLLOW_LINKS)
              .fileKey();
      return key == null ? place : key;
    } catch (IOException e) {
      throw new RunFilesException("cannot write into " + directory + ": " + e, e);
    }
  }

  /**
   * Leaves something for people beside the nodes' logs; where it is, or nothing where it cannot be
   * left.
   */
  Optional<Path> note(String name, String text) {
    if (root == null) {
      return Optional.empty();
    }
    try {
      fence.run();
      Path file = Files.createDirectories(root.resolve("nodes")).resolve(name);
      return Optional.of(Files.writeString(file, text, StandardOpenOption.CREATE_NEW));
    } catch (IOException | RunFilesException e) {
      return Optional.empty();
    }
  }

  /** The directory to write in, likewise. */
  Path toWrite(String directory) {
    if (anywhere) {
      return Path.of(directory);
    }
    try {
      Path place = inside(directory);
      Files.createDirectories(place);
      return withoutLinks(directory, notOpenToAll(directory, inside(directory)));
    } catch (IOException e) {
      throw new RunFilesException("cannot write into " + directory + ": " + e, e);
    }
  }

  /** The directory to read, likewise. */
  Path toRead(String directory) {
    if (anywhere) {
      return Path.of(directory);
    }
    try {
      return withoutLinks(directory, inside(directory));
    } catch (IOException e) {
      throw new RunFilesException("cannot read " + directory + ": " + e, e);
    }
  }

  private Path inside(String directory) throws IOException {
    if (root == null) {
      throw new RunFilesException("this node has no run's directory, and was given " + directory);
    }
    Files.createDirectories(root);
    Path run = root.toRealPath();
    Path place = real(Path.of(directory).toAbsolutePath());
    if (!place.startsWith(run) || place.equals(run)) {
      throw new RunFilesException(
          "refuses "
              + directory
              + (place.equals(Path.of(directory).toAbsolutePath()) ? "" : " (" + place + ")")
              + ": it is not inside the run's directory "
              + run);
    }
    return place;
  }

  /** Links resolved as far as there is something, the names of what is to be made after that. */
  private static Path real(Path path) throws IOException {
    Path there = path;
    while (!Files.exists(there, LinkOption.NOFOLLOW_LINKS)) {
      Path above = there.getParent();
      if (above == null) {
        throw new RunFilesException("refuses " + path + ": nothing of it exists");
      }
      there = above;
    }
    Path rest = there.relativize(path);
    for (Path name : rest) {
      if (name.toString().equals("..")) {
        throw new RunFilesException("refuses " + path + ": it has .. after what is not there");
      }
    }
    // Fails on a link that leads nowhere.
    return there.toRealPath().resolve(rest).normalize();
  }

  /** Where anybody may put a link between a look and the writing, a look is worth nothing. */
  private Path notOpenToAll(String directory, Path place) throws IOException {
    Path run = Objects.requireNonNull(root).toRealPath();
    boolean modes = run.getFileSystem().supportedFileAttributeViews().contains("unix");
    for (Path at = place; modes && at != null && at.startsWith(run); at = at.getParent()) {
      int mode = (int) Files.getAttribute(at, "unix:mode", LinkOption.NOFOLLOW_LINKS);
      if ((mode & OTHERS_WRITE) != 0 && (mode & STICKY) == 0) {
        throw new RunFilesException(
            "refuses " + directory + ": everybody may write into " + at + "; chmod o-w " + at);
      }
    }
    return place;
  }

  /** A file that is a link would be written, or read, elsewhere. */
  private static Path withoutLinks(String directory, Path place) throws IOException {
    try (Stream<Path> below = Files.walk(place)) {
      Optional<Path> link = below.filter(Files::isSymbolicLink).findFirst();
      if (link.isPresent()) {
        throw new RunFilesException(
            "refuses " + directory + ": " + link.get() + " is a symbolic link");
      }
    }
    return place;
  }
}
