package dev.troupe.models.checkpoint;

import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;

/**
 * How the header of a file is read whose tensors stay on disk until they are asked for.
 *
 * @param <T> the file opened, which keeps the channel and closes it
 */
@FunctionalInterface
public interface HeaderFormat<T> {
  T read(Path path, FileChannel channel) throws IOException;

  /**
   * Opens a file and reads its header; what is not understood is closed again.
   *
   * @throws CheckpointException when the file is missing or cannot be read, or from this format
   */
  default T open(Path path) {
    FileChannel channel;
    try {
      channel = FileChannel.open(path, StandardOpenOption.READ);
    } catch (IOException e) {
      throw Unreadable.of(path, e);
    }
    boolean opened = false;
    try {
      T file = read(path, channel);
      opened = true;
      return file;
    } catch (IOException e) {
      throw Unreadable.of(path, e);
    } finally {
      if (!opened) {
        close(channel);
      }
    }
  }

  /** Closes a file that was only read from, so that nothing can be lost. */
  static void close(FileChannel channel) {
    try {
      channel.close();
    } catch (IOException e) {
      // Nothing was written.
    }
  }
}
