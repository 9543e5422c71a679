package dev.troupe.protocol.event;

import com.google.protobuf.InvalidProtocolBufferException;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import org.jspecify.annotations.Nullable;

/**
 * Reads a run's events from the beginning and then follows the file as it grows. A record that is
 * not wholly there yet is left for the next {@link #poll}; a file that does not exist yet has no
 * events. For one thread.
 */
public final class EventReader implements AutoCloseable {
  /** No event comes near; a larger length means that the bytes are not an event file. */
  static final int LARGEST_EVENT = 1 << 26;

  private static final int CHUNK = 1 << 18;
  private static final int LARGEST_VARINT = 5;

  private final Path file;
  private @Nullable FileChannel channel;
  private ByteBuffer buffer = ByteBuffer.allocate(CHUNK).limit(0);

  /** File offset of the first byte after the last event returned. */
  private long position;

  private long sequence;

  private EventReader(Path file) {
    this.file = file;
  }

  /** Follows {@code file}, which need not exist yet. */
  public static EventReader open(Path file) {
    return new EventReader(file);
  }

  /** Every whole event of {@code file}. */
  public static List<RunEvent> readAll(Path file) {
    try (EventReader reader = open(file)) {
      return reader.poll();
    }
  }

  /** All events that have become readable since the last call. */
  public List<RunEvent> poll() {
    return poll(Integer.MAX_VALUE);
  }

  /** As {@link #poll()}, at most {@code limit} of them; call again for the rest. */
  public List<RunEvent> poll(int limit) {
    List<RunEvent> events = new ArrayList<>();
    try {
      if (!openChannel()) {
        return events;
      }
      while (events.size() < limit) {
        RunEvent event = next();
        if (event == null) {
          break;
        }
        events.add(event);
      }
    } catch (IOException e) {
      throw new EventLogException("cannot read the event file " + file + ": " + e.getMessage(), e);
    }
    return events;
  }

  /** File offset of the first byte not yet returned. */
  long position() {
    return position;
  }

  /** Sequence number of the last event returned; 0 before the first. */
  public long sequence() {
    return sequence;
  }

  private boolean openChannel() throws IOException {
    if (channel == null) {
      if (!Files.exists(file)) {
        return false;
      }
      channel = FileChannel.open(file, StandardOpenOption.READ);
    }
    if (channel.size() < position) {
      throw new EventLogException(
          String.format(
              Locale.ROOT,
              "the event file %s has shrunk: %d bytes, of which %d were read before; was the run directory reused?",
              file,
              channel.size(),
              position));
    }
    return true;
  }

  /** The next event, or null when it is not wholly there yet. */
  private @Nullable RunEvent next() throws IOException {
    while (true) {
      int start = buffer.position();
      int length = peekLength();
      if (length > 0 && buffer.remaining() >= length) {
        return take(length);
      }
      buffer.position(start);
      if (length == 0 || !refill(length)) {
        // Forget the part that was read: a restarted writer may cut it off and write anew.
        buffer.limit(start);
        return null;
      }
    }
  }

  /**
   * Reads the varint length and leaves the position behind it; -1 when it is incomplete, 0 for a
   * page that the file system had promised but not filled when the machine stopped (an event has a
   * number, so it is never empty).
   */
  private int peekLength() {
    long length = 0;
    for (int index = 0; index < LARGEST_VARINT; index++) {
      if (!buffer.hasRemaining()) {
        return -1;
      }
      byte next = buffer.get();
      length |= (long) (next & 0x7f) << (7 * index);
      if (next >= 0) {
        if (length > LARGEST_EVENT) {
          throw damaged("a length of " + length + " bytes");
        }
        return (int) length;
      }
    }
    throw damaged("a length of more than " + LARGEST_VARINT + " bytes");
  }

  private RunEvent take(int length) {
    RunEvent event;
    try {
      event = RunEvent.parseFrom(buffer.slice(buffer.position(), length).asReadOnlyBuffer());
    } catch (InvalidProtocolBufferException e) {
      throw damaged("bytes that are not an event (" + e.getMessage() + ")");
    }
    if (event.getSequence() != sequence + 1) {
      throw damaged("the event numbered " + event.getSequence());
    }
    buffer.position(buffer.position() + length);
    position += varintSize(length) + length;
    sequence = event.getSequence();
    return event;
  }

  /** Reloads the buffer from {@link #position}; false when the file holds no more than it had. */
  private boolean refill(int length) throws IOException {
    FileChannel source = channel;
    int buffered = buffer.remaining();
    if (source == null || source.size() <= position + buffered) {
      return false;
    }
    int needed = Math.max(CHUNK, length + LARGEST_VARINT);
    buffer = buffer.capacity() >= needed ? buffer.clear() : ByteBuffer.allocate(needed);
    long offset = position;
    while (buffer.hasRemaining()) {
      int read = source.read(buffer, offset);
      if (read <= 0) {
        break;
      }
      offset += read;
    }
    buffer.flip();
    return true;
  }

  private EventLogException damaged(String found) {
    return new EventLogException(
        String.format(
            Locale.ROOT,
            "the event file %s is damaged at byte %d: expected event %d, found %s. Move the file away to go on without it.",
            file,
            position,
            sequence + 1,
            found));
  }

  static int varintSize(int value) {
    int size = 1;
    for (int rest = value >>> 7; rest != 0; rest >>>= 7) {
      size++;
    }
    return size;
  }

  @Override
  public void close() {
    try {
      if (channel != null) {
        channel.close();
      }
    } catch (IOException e) {
      throw new EventLogException("cannot close the event file " + file + ": " + e.getMessage(), e);
    }
  }
}
