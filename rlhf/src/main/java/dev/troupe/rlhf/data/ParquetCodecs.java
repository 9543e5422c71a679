package dev.troupe.rlhf.data;

import io.airlift.compress.Decompressor;
import io.airlift.compress.lz4.Lz4Decompressor;
import io.airlift.compress.snappy.SnappyDecompressor;
import io.airlift.compress.zstd.ZstdDecompressor;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.util.Arrays;
import java.util.EnumSet;
import java.util.Set;
import java.util.function.LongConsumer;
import java.util.zip.GZIPInputStream;
import org.apache.parquet.bytes.BytesInput;
import org.apache.parquet.compression.CompressionCodecFactory;
import org.apache.parquet.hadoop.metadata.CompressionCodecName;

/** Parquet's compressions in Java alone. A page's size is checked before it is believed. */
final class ParquetCodecs implements CompressionCodecFactory {
  /** Those that are read. */
  static final Set<CompressionCodecName> KNOWN =
      EnumSet.of(
          CompressionCodecName.UNCOMPRESSED,
          CompressionCodecName.SNAPPY,
          CompressionCodecName.ZSTD,
          CompressionCodecName.LZ4_RAW,
          CompressionCodecName.GZIP);

  private static final int LARGEST_PAGE = 256 << 20;

  private final LongConsumer more;

  /**
   * @param more hears of the bytes of each page before there is room made for them, and may refuse
   */
  ParquetCodecs(LongConsumer more) {
    this.more = more;
  }

  @Override
  public BytesInputDecompressor getDecompressor(CompressionCodecName codec) {
    return switch (codec) {
      case UNCOMPRESSED -> new Pages((in, size) -> in);
      case SNAPPY -> new Pages(unpacking(new SnappyDecompressor()));
      case ZSTD -> new Pages(unpacking(new ZstdDecompressor()));
      case LZ4_RAW -> new Pages(unpacking(new Lz4Decompressor()));
      case GZIP ->
          new Pages(
              (in, size) -> {
                try (GZIPInputStream zip = new GZIPInputStream(new ByteArrayInputStream(in))) {
                  return zip.readNBytes(size);
                }
              });
      case BROTLI, LZO, LZ4 -> throw new IllegalArgumentException(unknown(codec));
    };
  }

  /** What a person is told of a compression that is not read. */
  static String unknown(CompressionCodecName codec) {
    return "is compressed with "
        + codec
        + ", expected snappy, gzip, zstd, lz4_raw or none; write it anew with one of these";
  }

  private interface Unpacking {
    byte[] unpack(byte[] in, int size) throws IOException;
  }

  private static Unpacking unpacking(Decompressor decompressor) {
    return (in, size) -> {
      byte[] out = new byte[size];
      int count = decompressor.decompress(in, 0, in.length, out, 0, size);
      return count == size ? out : Arrays.copyOf(out, count);
    };
  }

  private final class Pages implements BytesInputDecompressor {
    private final Unpacking unpacking;

    private Pages(Unpacking unpacking) {
      this.unpacking = unpacking;
    }

    @Override
    public BytesInput decompress(BytesInput bytes, int size) throws IOException {
      if (size < 0 || size > LARGEST_PAGE) {
        throw new IOException("a page says that it has " + size + " bytes");
      }
      more.accept(size);
      byte[] out = unpacking.unpack(bytes.toInputStream().readAllBytes(), size);
      if (out.length != size) {
        throw new IOException("a page has " + out.length + " bytes and says " + size);
      }
      return BytesInput.from(out);
    }

    @Override
    public void decompress(ByteBuffer in, int compressed, ByteBuffer out, int size)
        throws IOException {
      byte[] packed = new byte[compressed];
      in.get(packed);
      out.put(decompress(BytesInput.from(packed), size).toInputStream().readAllBytes());
    }

    @Override
    public void release() {}
  }

  @Override
  public BytesInputCompressor getCompressor(CompressionCodecName codec) {
    throw new UnsupportedOperationException("Parquet files are read alone, never written");
  }

  @Override
  public void release() {}
}
