package dev.troupe.rlhf.data;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.Reader;
import java.nio.ByteBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.util.Optional;

/** Lines of UTF-8 text, each of bounded length; what is no UTF-8 is told with its line. */
final class Utf8Lines extends Reader {
  /** Guards the memory against a small compressed file of one endless line. */
  static final int LONGEST_LINE = 32 << 20;

  static final String NOT_UTF8 = "is not UTF-8 text; convert the file first";

  private final InputStream bytes;
  private final String file;
  private final ByteArrayOutputStream line = new ByteArrayOutputStream();
  private final byte[] buffer = new byte[1 << 16];
  private int begin;
  private int filled;
  private long number;
  private String rest = "";
  private int at;

  /**
   * @param before lines that were read already
   */
  Utf8Lines(InputStream bytes, String file, long before) {
    this.bytes = bytes;
    this.file = file;
    this.number = before;
  }

  /** Of the line that was read last, 1-based. */
  Origin origin() {
    return new Origin(file, number);
  }

  /** The next line with its end; empty after the last. */
  Optional<String> next() throws IOException {
    line.reset();
    boolean ended = false;
    while (!ended && fill()) {
      if (line.size() == 0) {
        number++;
      }
      int end = begin;
      while (end < filled && buffer[end] != '\n') {
        end++;
      }
      ended = end < filled;
      end += ended ? 1 : 0;
      if (line.size() + (end - begin) > LONGEST_LINE) {
        throw DataException.at(
            origin(),
            "is longer than " + LONGEST_LINE + " bytes; expected one record on each line");
      }
      line.write(buffer, begin, end - begin);
      begin = end;
    }
    return line.size() == 0
        ? Optional.empty()
        : Optional.of(text(line.toByteArray(), origin().toString()));
  }

  /** Whether there is a byte to read. */
  private boolean fill() throws IOException {
    if (begin == filled) {
      begin = 0;
      filled = Math.max(0, bytes.read(buffer));
    }
    return begin < filled;
  }

  /**
   * Text of bytes that are UTF-8.
   *
   * @param where they are, for the error
   */
  static String text(byte[] bytes, String where) {
    try {
      return StandardCharsets.UTF_8.newDecoder().decode(ByteBuffer.wrap(bytes)).toString();
    } catch (CharacterCodingException e) {
      throw new DataException(where + ": " + NOT_UTF8, e);
    }
  }

  @Override
  public int read(char[] into, int offset, int length) throws IOException {
    if (at == rest.length()) {
      Optional<String> next = next();
      if (next.isEmpty()) {
        return -1;
      }
      rest = next.get();
      at = 0;
    }
    int count = Math.min(length, rest.length() - at);
    rest.getChars(at, at + count, into, offset);
    at += count;
    return count;
  }

  @Override
  public void close() throws IOException {
    bytes.close();
  }
}
