package dev.troupe.rlhf.data;

import java.io.FilterInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.util.function.LongConsumer;

/** Counts what is read, so that a small compressed file can't fill the memory. */
final class BoundedInput extends FilterInputStream {
  private final LongConsumer more;

  /**
   * @param more hears of each stretch of bytes before it is handed on, and may refuse it
   */
  BoundedInput(InputStream in, LongConsumer more) {
    super(in);
    this.more = more;
  }

  @Override
  public int read() throws IOException {
    int next = in.read();
    if (next >= 0) {
      more.accept(1);
    }
    return next;
  }

  @Override
  public int read(byte[] bytes, int offset, int length) throws IOException {
    int count = in.read(bytes, offset, length);
    if (count > 0) {
      more.accept(count);
    }
    return count;
  }

  @Override
  public boolean markSupported() {
    return false;
  }
}
