package dev.troupe.models.checkpoint.gguf;

import dev.troupe.models.checkpoint.CheckpointException;
import dev.troupe.models.checkpoint.HeaderFormat;
import dev.troupe.models.checkpoint.Shape;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.FloatBuffer;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.Comparator;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Objects;

/**
 * One GGUF file of version 2 or 3, little-endian, opened for reading; tensors are read and
 * dequantised piece by piece when asked for.
 *
 * <p>The format (ggml's {@code docs/gguf.md}): magic, version, counts of tensors and of keys; the
 * keys with typed values; of each tensor name, shape, type and offset; then the tensors' bytes,
 * each aligned. The whole header is checked against the file when it is opened, and nothing is
 * allocated that the file is too short to fill.
 */
public final class GgufFile implements AutoCloseable {
  private static final int MAGIC = 0x46554747; // "GGUF"
  private static final String ALIGNMENT = "general.alignment";
  private static final int MAX_ALIGNMENT = 1 << 20;
  private static final int PIECE_NUMBERS = 1 << 20;

  /**
   * What is known of a tensor without reading it.
   *
   * @param name the file's own, {@code blk.0.attn_q.weight} for example
   * @param type how its numbers are stored
   * @param shape slowest dimension first, as PyTorch has it; the file has it the other way round
   * @param offset of its first byte in the file
   * @param bytes how many it takes
   */
  public record Tensor(String name, GgufType type, Shape shape, long offset, long bytes) {}

  private static final HeaderFormat<GgufFile> FORMAT = GgufFile::parse;

  private final Path path;
  private final FileChannel channel;
  private final int version;
  private final Map<String, GgufValue> metadata;
  private final Map<String, Span> entries;
  private final Map<String, Tensor> tensors;

  /** Bytes of the file, from the first to before the last. */
  private record Span(long from, long to) {}

  private GgufFile(
      Path path,
      FileChannel channel,
      int version,
      Map<String, GgufValue> metadata,
      Map<String, Span> entries,
      Map<String, Tensor> tensors) {
    this.path = path;
    this.channel = channel;
    this.version = version;
    this.metadata = Collections.unmodifiableMap(metadata);
    this.entries = entries;
    this.tensors = Collections.unmodifiableMap(tensors);
  }

  /**
   * Opens a file and checks its header.
   *
   * @throws CheckpointException when the file is missing, damaged, or of a kind that is not read
   */
  public static GgufFile open(Path path) {
    return FORMAT.open(path);
  }

  private static GgufFile parse(Path path, FileChannel channel) throws IOException {
    long size = channel.size();
    GgufCursor cursor = new GgufCursor(path, channel, size);
    int version = version(path, cursor);
    // A tensor's entry has a name's length, a number of dimensions, a type and an offset at least;
    // a key's has its length, a type and one byte.
    int tensorCount = cursor.count("number of tensors", 24);
    int keyCount = cursor.count("number of keys", 13);
    Map<String, GgufValue> metadata = new LinkedHashMap<>();
    Map<String, Span> entries = new HashMap<>();
    for (int i = 0; i < keyCount; i++) {
      long from = cursor.position();
      String key = cursor.text("key " + i);
      GgufValue value = cursor.value("key '" + key + "'");
      if (metadata.put(key, value) != null) {
        throw new CheckpointException(path + ": the key '" + key + "' is there twice.");
      }
      entries.put(key, new Span(from, cursor.position()));
    }
    int alignment = alignment(path, metadata);
    Map<String, Tensor> relative = new LinkedHashMap<>();
    for (int i = 0; i < tensorCount; i++) {
      Tensor tensor = tensor(path, cursor, i, alignment);
      if (relative.put(tensor.name(), tensor) != null) {
        throw new CheckpointException(
            path + ": the tensor '" + tensor.name() + "' is there twice.");
      }
    }
    long dataStart = (cursor.position() + alignment - 1) / alignment * alignment;
    Map<String, Tensor> tensors = new LinkedHashMap<>();
    for (Tensor tensor : relative.values()) {
      tensors.put(tensor.name(), placed(path, tensor, dataStart, size));
    }
    checkNoOverlap(path, tensors);
    return new GgufFile(path, channel, version, metadata, entries, tensors);
  }

  private static int version(Path path, GgufCursor cursor) throws IOException {
    int magic = cursor.int32("the magic number");
    if (magic != MAGIC) {
      throw new CheckpointException(
          path
              + " is not a GGUF file: it begins with "
              + printable(magic)
              + ", expected \"GGUF\".");
    }
    int version = cursor.int32("the version");
    if (version == 2 || version == 3) {
      return version;
    }
    int swapped = Integer.reverseBytes(version);
    if (swapped >= 1 && swapped <= 3) {
      throw new CheckpointException(
          path
              + " is a big-endian GGUF file (version "
              + swapped
              + "); only little-endian files are read. Get the file for x86 or ARM machines.");
    }
    throw new CheckpointException(
        path
            + " is a GGUF file of version "
            + Integer.toUnsignedString(version)
            + "; versions 2 and 3 are read."
            + (version == 1 ? " Convert the model again with a current llama.cpp." : ""));
  }

  private static String printable(int magic) {
    byte[] bytes = {(byte) magic, (byte) (magic >> 8), (byte) (magic >> 16), (byte) (magic >> 24)};
    for (byte letter : bytes) {
      if (letter < 32 || letter > 126) {
        return String.format(
            Locale.ROOT, "the bytes %02x %02x %02x %02x", bytes[0], bytes[1], bytes[2], bytes[3]);
      }
    }
    return "\"" + new String(bytes, StandardCharsets.US_ASCII) + "\"";
  }

  private static int alignment(Path path, Map<String, GgufValue> metadata) {
    if (!metadata.containsKey(ALIGNMENT)) {
      return 32;
    }
    if (metadata.get(ALIGNMENT) instanceof GgufValue.Whole whole
        && whole.value() > 0
        && whole.value() <= MAX_ALIGNMENT
        && Long.bitCount(whole.value()) == 1) {
      return (int) whole.value();
    }
    throw new CheckpointException(
        path
            + ": "
            + ALIGNMENT
            + " must be a power of two up to "
            + MAX_ALIGNMENT
            + ", found "
            + metadata.get(ALIGNMENT)
            + ".");
  }

  /** With its offset as the file has it, from the start of the data. */
  private static Tensor tensor(Path path, GgufCursor cursor, int index, int alignment)
      throws IOException {
    String name = cursor.text("name of tensor " + index);
    String what = "tensor '" + name + "'";
    String where = path + ", " + what + ": ";
    long dimensions = cursor.uint32(what);
    if (dimensions > 4) {
      throw new CheckpointException(
          where + "has " + dimensions + " dimensions; at most 4 are possible.");
    }
    List<Long> lengths = new ArrayList<>();
    for (int i = 0; i < dimensions; i++) {
      lengths.add(0, cursor.uint64(what + ", shape"));
    }
    Shape shape = new Shape(lengths);
    long number = cursor.uint32(what);
    GgufType type =
        GgufType.of(number)
            .orElseThrow(
                () ->
                    new CheckpointException(
                        where
                            + "its type is "
                            + GgufType.nameOf(number)
                            + ", which is not read. Read are "
                            + GgufType.names()
                            + "; take a file in one of these, Q4_K_M or Q8_0 for example."));
    long fastest = lengths.isEmpty() ? 1 : lengths.get(lengths.size() - 1);
    if (fastest % type.blockNumbers() != 0) {
      throw new CheckpointException(
          where
              + "its rows have "
              + fastest
              + " numbers, but "
              + type
              + " stores them by "
              + type.blockNumbers()
              + ".");
    }
    long bytes;
    try {
      bytes = Math.multiplyExact(shape.elements() / type.blockNumbers(), type.blockBytes());
    } catch (ArithmeticException e) {
      throw new CheckpointException(where + "shape " + shape + " is larger than any file.", e);
    }
    long offset = cursor.uint64(what + ", offset");
    if (offset % alignment != 0) {
      throw new CheckpointException(
          where
              + "its offset "
              + offset
              + " is not a multiple of the alignment "
              + alignment
              + ".");
    }
    return new Tensor(name, type, shape, offset, bytes);
  }

  private static Tensor placed(Path path, Tensor tensor, long dataStart, long size) {
    long dataSize = Math.max(0, size - dataStart);
    if (tensor.offset() > dataSize || tensor.bytes() > dataSize - tensor.offset()) {
      throw new CheckpointException(
          path
              + ", tensor '"
              + tensor.name()
              + "': its "
              + tensor.bytes()
              + " bytes ("
              + tensor.shape()
              + " of "
              + tensor.type()
              + ") from "
              + tensor.offset()
              + " on do not fit the file, which has "
              + dataSize
              + " bytes of data: it is truncated or damaged. Download or copy it again.");
    }
    return new Tensor(
        tensor.name(), tensor.type(), tensor.shape(), dataStart + tensor.offset(), tensor.bytes());
  }

  private static void checkNoOverlap(Path path, Map<String, Tensor> tensors) {
    List<Tensor> inOrder = new ArrayList<>(tensors.values());
    inOrder.sort(Comparator.comparingLong(Tensor::offset).thenComparingLong(Tensor::bytes));
    for (int i = 1; i < inOrder.size(); i++) {
      Tensor before = inOrder.get(i - 1);
      Tensor tensor = inOrder.get(i);
      if (before.offset() + before.bytes() > tensor.offset()) {
        throw new CheckpointException(
            path
                + ", tensor '"
                + tensor.name()
                + "': it begins within the bytes of '"
                + before.name()
                + "'. The file is damaged: download or copy it again.");
      }
    }
  }

  public Path path() {
    return path;
  }

  /** 2 or 3. */
  public int version() {
    return version;
  }

  /** What the file says of itself, in its order. */
  public Map<String, GgufValue> metadata() {
    return metadata;
  }

  /** A key of the metadata with its value as they stand in the file, for copying on. */
  public byte[] entry(String key) {
    Span span = Objects.requireNonNull(entries.get(key), key);
    ByteBuffer bytes = ByteBuffer.allocate(Math.toIntExact(span.to() - span.from()));
    fill(bytes, span.from(), "the key '" + key + "'");
    return bytes.array();
  }

  /** By the file's own names, in its order. */
  public Map<String, Tensor> tensors() {
    return tensors;
  }

  /** The tensor's numbers, row by row. */
  public float[] floats(String name) {
    long elements = tensor(name).shape().elements();
    if (elements > Integer.MAX_VALUE - 8) {
      throw new CheckpointException(
          path + ", tensor '" + name + "' has " + elements + " numbers: too many for an array.");
    }
    float[] values = new float[(int) elements];
    read(name, FloatBuffer.wrap(values));
    return values;
  }

  /**
   * Puts the tensor's numbers, row by row, at the target's position and moves it on; a piece of the
   * tensor at a time is in memory besides.
   */
  public void read(String name, FloatBuffer target) {
    inPieces(name, (values, count, bytes) -> target.put(values, 0, count));
  }

  /** A part of a tensor's numbers, in the array from its beginning on, until it returns. */
  @FunctionalInterface
  interface Piece {
    void accept(float[] values, int count, int bytes);
  }

  /** Gives the tensor's numbers, row by row, a piece of it at a time. */
  void inPieces(String name, Piece piece) {
    Tensor tensor = tensor(name);
    GgufType type = tensor.type();
    long blocks = tensor.shape().elements() / type.blockNumbers();
    int pieceBlocks = (int) Math.min(blocks, PIECE_NUMBERS / type.blockNumbers());
    // Read and not mapped: a file that is cut short meanwhile is an error and no crash.
    ByteBuffer bytes =
        ByteBuffer.allocate(pieceBlocks * type.blockBytes()).order(ByteOrder.LITTLE_ENDIAN);
    float[] values = new float[pieceBlocks * type.blockNumbers()];
    for (long block = 0; block < blocks; block += pieceBlocks) {
      int count = (int) Math.min(pieceBlocks, blocks - block);
      fill(
          bytes.clear().limit(count * type.blockBytes()),
          tensor.offset() + block * type.blockBytes(),
          "tensor '" + name + "'");
      type.read(bytes, count, values, 0);
      piece.accept(values, count * type.blockNumbers(), count * type.blockBytes());
    }
  }

  private void fill(ByteBuffer bytes, long from, String what) {
    try {
      while (bytes.hasRemaining()) {
        if (channel.read(bytes, from + bytes.position()) < 0) {
          throw new CheckpointException(path + " became shorter while it was read.");
        }
      }
    } catch (IOException e) {
      throw new CheckpointException(path + ", " + what + " cannot be read: " + e, e);
    }
  }

  private Tensor tensor(String name) {
    Tensor tensor = tensors.get(name);
    if (tensor == null) {
      throw new CheckpointException(path + " has no tensor '" + name + "'.");
    }
    return tensor;
  }

  @Override
  public void close() {
    HeaderFormat.close(channel);
  }
}
