package dev.troupe.models.checkpoint.gguf;

import dev.troupe.models.checkpoint.CheckpointException;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.DoubleBuffer;
import java.nio.LongBuffer;
import java.nio.channels.FileChannel;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/** Reads a header front to back; whatever the file claims is first held against what is left. */
final class GgufCursor {
  private static final int BUFFER = 1 << 16;

  private final Path path;
  private final FileChannel channel;
  private final long size;
  private final ByteBuffer buffer =
      ByteBuffer.allocate(BUFFER).order(ByteOrder.LITTLE_ENDIAN).limit(0);
  private long filled;

  GgufCursor(Path path, FileChannel channel, long size) {
    this.path = path;
    this.channel = channel;
    this.size = size;
  }

  /** Where in the file the next byte lies. */
  long position() {
    return filled - buffer.remaining();
  }

  private long left() {
    return size - position();
  }

  int int32(String what) throws IOException {
    return need(4, what).getInt();
  }

  /** Four bytes without sign. */
  long uint32(String what) throws IOException {
    return Integer.toUnsignedLong(int32(what));
  }

  /** Eight bytes without sign, which must fit a long. */
  long uint64(String what) throws IOException {
    long value = need(8, what).getLong();
    if (value < 0) {
      throw new CheckpointException(
          path
              + ", "
              + what
              + ": "
              + Long.toUnsignedString(value)
              + " is more than any file can mean.");
    }
    return value;
  }

  /** A count of things of at least {@code leastBytes} each, which must fit what is left. */
  int count(String what, int leastBytes) throws IOException {
    long count = uint64(what);
    if (count > left() / leastBytes || count > Integer.MAX_VALUE - 8) {
      throw new CheckpointException(
          path
              + ", "
              + what
              + ": claims "
              + count
              + ", each of at least "
              + leastBytes
              + " bytes, but only "
              + left()
              + " bytes are left in the file. It is truncated or damaged: download or copy it again.");
    }
    return (int) count;
  }

  String text(String what) throws IOException {
    byte[] bytes = new byte[count(what + ", length of a text", 1)];
    int at = 0;
    while (at < bytes.length) {
      if (!buffer.hasRemaining()) {
        fill();
      }
      int some = Math.min(buffer.remaining(), bytes.length - at);
      buffer.get(bytes, at, some);
      at += some;
    }
    try {
      return StandardCharsets.UTF_8.newDecoder().decode(ByteBuffer.wrap(bytes)).toString();
    } catch (CharacterCodingException e) {
      throw new CheckpointException(path + ", " + what + ": a text is not valid UTF-8.", e);
    }
  }

  /** The value of a key: its type's number, then what that says. */
  GgufValue value(String what) throws IOException {
    long type = uint32(what);
    if (type == 9) {
      return array(what);
    }
    if (type == 8) {
      return new GgufValue.Text(text(what));
    }
    if (type == 7) {
      return new GgufValue.Flag(flag(what));
    }
    if (type == 6 || type == 12) {
      return new GgufValue.Real(real(type, what));
    }
    return new GgufValue.Whole(whole(type, what));
  }

  private GgufValue array(String what) throws IOException {
    long type = uint32(what);
    if (type == 9) {
      throw new CheckpointException(
          path + ", " + what + ": a list of lists, which no model that is known here has.");
    }
    int count = count(what + ", a list's length", width(type, what));
    if (type == 8) {
      List<String> texts = new ArrayList<>();
      for (int i = 0; i < count; i++) {
        texts.add(text(what));
      }
      return new GgufValue.Texts(texts);
    }
    if (type == 7) {
      List<Boolean> flags = new ArrayList<>();
      for (int i = 0; i < count; i++) {
        flags.add(flag(what));
      }
      return new GgufValue.Flags(flags);
    }
    if (type == 6 || type == 12) {
      DoubleBuffer reals = DoubleBuffer.allocate(count);
      while (reals.hasRemaining()) {
        reals.put(real(type, what));
      }
      return new GgufValue.Reals(reals.flip().asReadOnlyBuffer());
    }
    LongBuffer wholes = LongBuffer.allocate(count);
    while (wholes.hasRemaining()) {
      wholes.put(whole(type, what));
    }
    return new GgufValue.Wholes(wholes.flip().asReadOnlyBuffer());
  }

  /** Bytes of one value of a type, of a text at least. */
  private int width(long type, String what) {
    return switch ((int) Math.min(type, 99)) {
      case 0, 1, 7 -> 1;
      case 2, 3 -> 2;
      case 4, 5, 6 -> 4;
      case 8, 10, 11, 12 -> 8;
      default -> throw unknown(type, what);
    };
  }

  private boolean flag(String what) throws IOException {
    int value = need(1, what).get();
    if (value != 0 && value != 1) {
      throw new CheckpointException(
          path + ", " + what + ": expected 0 or 1 for false or true, found " + (value & 255) + ".");
    }
    return value == 1;
  }

  private double real(long type, String what) throws IOException {
    return type == 6 ? need(4, what).getFloat() : need(8, what).getDouble();
  }

  private long whole(long type, String what) throws IOException {
    return switch ((int) Math.min(type, 99)) {
      case 0 -> need(1, what).get() & 0xffL;
      case 1 -> need(1, what).get();
      case 2 -> need(2, what).getShort() & 0xffffL;
      case 3 -> need(2, what).getShort();
      case 4 -> uint32(what);
      case 5 -> int32(what);
      case 10 -> uint64(what);
      case 11 -> need(8, what).getLong();
      default -> throw unknown(type, what);
    };
  }

  private CheckpointException unknown(long type, String what) {
    return new CheckpointException(
        path + ", " + what + ": unknown value type " + type + "; expected 0 to 12.");
  }

  private ByteBuffer need(int bytes, String what) throws IOException {
    if (left() < bytes) {
      throw new CheckpointException(
          path
              + " ends at byte "
              + size
              + ", within "
              + what
              + ": it is truncated. Download or copy it again.");
    }
    while (buffer.remaining() < bytes) {
      fill();
    }
    return buffer;
  }

  private void fill() throws IOException {
    buffer.compact();
    int read = channel.read(buffer, filled);
    buffer.flip();
    if (read <= 0) {
      throw new CheckpointException(path + " became shorter while it was read.");
    }
    filled += read;
  }
}
