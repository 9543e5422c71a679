package dev.troupe.rlhf.data;

import java.io.BufferedInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.RandomAccessFile;
import java.nio.channels.Channels;
import java.nio.file.Path;
import org.apache.parquet.format.FileMetaData;
import org.apache.parquet.format.PageHeader;
import org.apache.parquet.hadoop.metadata.BlockMetaData;
import org.apache.parquet.hadoop.metadata.ColumnChunkMetaData;
import shaded.parquet.org.apache.thrift.TBase;
import shaded.parquet.org.apache.thrift.TException;
import shaded.parquet.org.apache.thrift.protocol.TCompactProtocol;
import shaded.parquet.org.apache.thrift.transport.TIOStreamTransport;

/**
 * Holds what a Parquet file says of its own lengths to what it has. Parquet's reader makes room for
 * texts, lists and pages as long as they claim to be, and looks afterwards whether they are there.
 */
final class ParquetClaims {
  /** The footer's length and the file's mark. */
  private static final int TAIL = 8;

  /** PAR1. */
  private static final int MARK = 0x50415231;

  /** Bytes by which files of early writers understate a column that has a dictionary. */
  private static final int UNDERSTATED = 64;

  private ParquetClaims() {}

  /**
   * The footer, before it is read in earnest.
   *
   * @throws IOException when it says more than it has
   */
  static void checkFooter(Path path) throws IOException {
    try (RandomAccessFile file = new RandomAccessFile(path.toFile(), "r")) {
      if (file.length() < TAIL) {
        return; // which the reader tells
      }
      file.seek(file.length() - TAIL);
      long length = Integer.toUnsignedLong(Integer.reverseBytes(file.readInt()));
      if (file.readInt() != MARK) {
        return; // likewise
      }
      long start = file.length() - TAIL - length;
      if (start < 0) {
        throw new IOException("its footer says that it has " + length + " bytes");
      }
      file.seek(start);
      read(new FileMetaData(), new Counted(buffered(file), length), length, "footer");
    }
  }

  /**
   * The columns and their pages.
   *
   * @throws IOException when one lies outside of the file or a page outside of its column
   */
  static void checkColumns(Path path, BlockMetaData block) throws IOException {
    try (RandomAccessFile file = new RandomAccessFile(path.toFile(), "r")) {
      for (ColumnChunkMetaData chunk : block.getColumns()) {
        String column = "the column " + chunk.getPath().toDotString();
        long begin = chunk.getStartingPos();
        long size = chunk.getTotalSize();
        if (begin < 0 || size < 0 || begin + size < begin || begin + size > file.length()) {
          throw new IOException(column + " lies outside of it");
        }
        if (chunk.getValueCount() == 0) {
          continue; // no page is read
        }
        file.seek(begin);
        checkPages(new Counted(buffered(file), size), column);
      }
    }
  }

  private static void checkPages(Counted in, String column) throws IOException {
    while (in.left > 0) {
      PageHeader header = new PageHeader();
      read(header, in, in.left, column + "'s page");
      int size = header.getCompressed_page_size();
      if (size < 0 || size > in.left + UNDERSTATED) {
        throw new IOException(
            column + " has " + in.left + " bytes left where a page says that it has " + size);
      }
      in.skipNBytes(Math.min(size, in.left));
    }
  }

  private static InputStream buffered(RandomAccessFile file) {
    return new BufferedInputStream(Channels.newInputStream(file.getChannel()));
  }

  /** Texts and lists in it are no longer than {@code most}. */
  private static void read(TBase<?, ?> struct, InputStream in, long most, String what)
      throws IOException {
    try {
      struct.read(new TCompactProtocol(new TIOStreamTransport(in), most, most));
    } catch (TException e) {
      String why = String.valueOf(e.getMessage()).replaceFirst(" Struct: .*", "");
      throw new IOException(what + " is damaged: " + why, e);
    }
  }

  /** So much of a stream; that of a file, so that what is passed over is not read. */
  private static final class Counted extends InputStream {
    private final InputStream in;
    private long left;

    private Counted(InputStream in, long left) {
      this.in = in;
      this.left = left;
    }

    @Override
    public int read() throws IOException {
      int next = left > 0 ? in.read() : -1;
      left -= next < 0 ? 0 : 1;
      return next;
    }

    @Override
    public int read(byte[] bytes, int from, int count) throws IOException {
      if (left == 0) {
        return -1;
      }
      int got = in.read(bytes, from, (int) Math.min(count, left));
      left -= Math.max(0, got);
      return got;
    }

    @Override
    public long skip(long count) throws IOException {
      long skipped = in.skip(Math.min(count, left));
      left -= skipped;
      return skipped;
    }
  }
}
