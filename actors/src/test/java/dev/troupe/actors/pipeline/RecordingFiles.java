package dev.troupe.actors.pipeline;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.CopyOption;
import java.nio.file.FileSystems;
import java.nio.file.Files;
import java.nio.file.OpenOption;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.FileAttribute;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.stream.Stream;
import org.apache.lucene.tests.mockfile.FilterFileChannel;
import org.apache.lucene.tests.mockfile.FilterFileSystemProvider;

/**
 * The default file system, watched for what a loss of power could do. A name may be given only to
 * what has been forced to the disk whole, and stands only when its directory has been forced after
 * it. What was written by other ways than channels, such as {@link java.io.File}, is forced by a
 * channel as well, or is found not to be.
 */
final class RecordingFiles extends FilterFileSystemProvider {
  /** Forced since they were last written. */
  private final Set<Path> forced = new HashSet<>();

  /** Directories that hold a new name, and have not been forced since. */
  private final Set<Path> unsettled = new HashSet<>();

  private final List<Path> named = new ArrayList<>();
  private final List<String> faults = new ArrayList<>();

  RecordingFiles() {
    super("recording://", FileSystems.getDefault());
  }

  /** What was given its name too early, and where a name has not been settled. */
  List<String> faults() {
    List<String> all = new ArrayList<>(faults);
    unsettled.forEach(directory -> all.add("names in " + directory + " are not forced"));
    return all;
  }

  /** In order. */
  List<Path> named() {
    return named;
  }

  @Override
  public FileChannel newFileChannel(
      Path path, Set<? extends OpenOption> options, FileAttribute<?>... attributes)
      throws IOException {
    Path real = toDelegate(path);
    if (options.contains(StandardOpenOption.WRITE)) {
      forced.remove(real);
    }
    return new FilterFileChannel(super.newFileChannel(path, options, attributes)) {
      @Override
      public int write(ByteBuffer source) throws IOException {
        forced.remove(real);
        return super.write(source);
      }

      @Override
      public void force(boolean metadata) throws IOException {
        super.force(metadata);
        forced.add(real);
        unsettled.remove(real);
      }
    };
  }

  @Override
  public void move(Path source, Path target, CopyOption... options) throws IOException {
    Path from = toDelegate(source);
    Path to = toDelegate(target);
    try (Stream<Path> below = Files.walk(from)) {
      for (Path path : below.toList()) {
        if (!forced.contains(path)) {
          faults.add(to + " is named while " + from.relativize(path) + " is not forced");
        }
      }
    }
    super.move(source, target, options);
    named.add(to);
    unsettled.add(to.getParent());
  }
}
