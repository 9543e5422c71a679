package dev.troupe.protocol.event;

import com.google.protobuf.CodedOutputStream;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.channels.OverlappingFileLockException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.time.Clock;
import java.util.Locale;

/**
 * The append-only event file of a run, {@value #FILE_NAME} in its directory: each event preceded by
 * its length as a varint. One process writes; any number read with {@link EventReader}. Events are
 * numbered 1, 2, 3, … without gaps, also across restarts. Every event is handed to the operating
 * system before {@link #append} returns, so it survives the death of this process. For any thread.
 */
public final class EventLog implements AutoCloseable {
  public static final String FILE_NAME = "events.pb";

  private final Path file;
  private final FileChannel channel;
  private final FileChannel lock;
  private final Clock clock;
  private long sequence;
  private long end;
  private Runnable guard = () -> {};

  private EventLog(
      Path file, FileChannel channel, FileChannel lock, Clock clock, long sequence, long end) {
    this.file = file;
    this.channel = channel;
    this.lock = lock;
    this.clock = clock;
    this.sequence = sequence;
    this.end = end;
  }

  /**
   * Opens or creates {@code file} and continues its numbering. A last record that a crash left
   * incomplete is cut off, which a {@link Notice} then tells.
   *
   * @throws EventLogException when the file is damaged elsewhere, cannot be written, or another log
   *     has it open
   */
  public static EventLog open(Path file) {
    return open(file, Clock.systemUTC());
  }

  /** As {@link #open(Path)}, with the clock that dates the events. */
  public static EventLog open(Path file, Clock clock) {
    try {
      Path directory = file.toAbsolutePath().getParent();
      if (directory != null) {
        Files.createDirectories(directory);
      }
      FileChannel lock = lock(file);
      try {
        return recover(file, lock, clock);
      } catch (IOException | RuntimeException e) {
        lock.close();
        throw e;
      }
    } catch (IOException e) {
      throw new EventLogException("cannot open the event file " + file + ": " + e.getMessage(), e);
    }
  }

  /**
   * Takes a lock that lasts as long as the returned channel. It is on a file of its own, since
   * POSIX drops a process's locks on a file when any of its readers closes that file.
   */
  private static FileChannel lock(Path file) throws IOException {
    FileChannel channel =
        FileChannel.open(
            file.resolveSibling("." + file.getFileName() + ".lock"),
            StandardOpenOption.CREATE,
            StandardOpenOption.WRITE);
    boolean locked;
    try {
      locked = channel.tryLock() != null;
    } catch (OverlappingFileLockException e) {
      locked = false;
    }
    if (!locked) {
      channel.close();
      throw new EventLogException(
          String.format(
              Locale.ROOT,
              "the event file %s is being written by another run; wait for it to end or choose another output directory",
              file));
    }
    return channel;
  }

  private static EventLog recover(Path file, FileChannel lock, Clock clock) throws IOException {
    FileChannel channel =
        FileChannel.open(file, StandardOpenOption.CREATE, StandardOpenOption.WRITE);
    try (EventReader reader = EventReader.open(file)) {
      while (!reader.poll(1024).isEmpty()) {
        // Only the position and the number of the last whole event matter here.
      }
      long torn = channel.size() - reader.position();
      channel.truncate(reader.position());
      EventLog log = new EventLog(file, channel, lock, clock, reader.sequence(), reader.position());
      if (torn > 0) {
        log.append(
            RunEvent.newBuilder()
                .setNotice(
                    Notice.newBuilder()
                        .setSeverity("warning")
                        .setText(
                            String.format(
                                Locale.ROOT,
                                "the last event before this point was incomplete and was cut off (%d bytes): the process that wrote it stopped without closing the file",
                                torn))));
      }
      return log;
    } catch (IOException | RuntimeException e) {
      channel.close();
      throw e;
    }
  }

  /**
   * Has {@code guard} run before every event that is written from here on; when it throws, nothing
   * is.
   */
  public synchronized void guardedBy(Runnable guard) {
    this.guard = guard;
  }

  /** Numbers, dates and writes {@code event}; returns it as written. */
  public synchronized RunEvent append(RunEvent.Builder event) {
    if (!channel.isOpen()) {
      throw new IllegalStateException("the event log " + file + " is closed");
    }
    guard.run();
    RunEvent numbered = event.setSequence(sequence + 1).setTimeMillis(clock.millis()).build();
    int size = numbered.getSerializedSize();
    if (size > EventReader.LARGEST_EVENT) {
      throw new IllegalArgumentException(
          String.format(
              Locale.ROOT,
              "an event of %d bytes is larger than the %d that readers take",
              size,
              EventReader.LARGEST_EVENT));
    }
    try {
      ByteBuffer record = encode(numbered, size);
      long offset = end;
      while (record.hasRemaining()) {
        offset += channel.write(record, offset);
      }
      end = offset;
    } catch (IOException e) {
      throw new EventLogException(
          String.format(Locale.ROOT, "cannot write to the event file %s: %s", file, e.getMessage()),
          e);
    }
    sequence++;
    return numbered;
  }

  private static ByteBuffer encode(RunEvent event, int size) throws IOException {
    byte[] bytes = new byte[EventReader.varintSize(size) + size];
    CodedOutputStream output = CodedOutputStream.newInstance(bytes);
    output.writeUInt32NoTag(size);
    event.writeTo(output);
    output.checkNoSpaceLeft();
    return ByteBuffer.wrap(bytes);
  }

  /** Number of the last event; 0 when there is none. */
  public synchronized long sequence() {
    return sequence;
  }

  @Override
  public synchronized void close() {
    try {
      if (channel.isOpen()) {
        channel.force(true);
        channel.close();
        lock.close();
      }
    } catch (IOException e) {
      throw new EventLogException(
          String.format(Locale.ROOT, "cannot close the event file %s: %s", file, e.getMessage()),
          e);
    }
  }
}
