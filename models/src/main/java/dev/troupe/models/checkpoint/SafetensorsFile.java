package dev.troupe.models.checkpoint;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.FloatBuffer;
import java.nio.ShortBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.function.LongConsumer;

/**
 * One safetensors file, opened for reading and mapped into memory tensor by tensor when asked for.
 *
 * <p>The format: 8 bytes little-endian length of the header, the header as JSON (name → dtype,
 * shape and byte range), then the tensors' bytes without holes. The whole header is checked against
 * the file when it is opened, so that a wrong file fails here and not while a model runs; what is
 * allocated is never more than the header's true size.
 *
 * <p>Buffers handed out stay valid after {@link #close()} for as long as they are referenced.
 */
public final class SafetensorsFile implements TensorFile {
  /** The format's own limit for the header. */
  private static final long MAX_HEADER = 100_000_000;

  /** Bytes that are looked at together; they stay in a core's own cache. */
  private static final long PIECE = 1 << 18;

  /**
   * What is known of a tensor without reading it; {@code begin} and {@code end} count from the
   * start of the data.
   */
  private record Entry(String type, Shape shape, long begin, long end) {}

  /** Bytes of the types that are not numbers of a model. */
  private static final Map<String, Integer> OTHER_TYPES =
      Map.of("U8", 1, "I8", 1, "BOOL", 1, "I16", 2, "I32", 4, "I64", 8, "F64", 8);

  private static final HeaderFormat<SafetensorsFile> FORMAT =
      (path, channel) -> parse(path, channel, false);

  private static final HeaderFormat<SafetensorsFile> STORED =
      (path, channel) -> parse(path, channel, true);

  private final Path path;
  private final FileChannel channel;
  private final long dataStart;
  private final Map<String, Entry> entries;
  private final Map<String, String> metadata;

  private SafetensorsFile(
      Path path,
      FileChannel channel,
      long dataStart,
      Map<String, Entry> entries,
      Map<String, String> metadata) {
    this.path = path;
    this.channel = channel;
    this.dataStart = dataStart;
    this.entries = entries;
    this.metadata = metadata;
  }

  /**
   * Opens a file and checks its header.
   *
   * @throws CheckpointException when the file is missing, truncated or not what its header says
   */
  public static SafetensorsFile open(Path path) {
    return FORMAT.open(path);
  }

  /**
   * The same of a file whose tensors may be of other types too: codes, and what they need.
   *
   * @throws CheckpointException as {@link #open}
   */
  static SafetensorsFile openStored(Path path) {
    return STORED.open(path);
  }

  private static SafetensorsFile parse(Path path, FileChannel channel, boolean otherTypes)
      throws IOException {
    long size = channel.size();
    if (size < 8) {
      throw new CheckpointException(
          path
              + " is truncated: a safetensors file starts with 8 bytes of header length, but it has "
              + size
              + " bytes.");
    }
    long headerLength =
        ByteBuffer.wrap(read(path, channel, 0, 8)).order(ByteOrder.LITTLE_ENDIAN).getLong();
    if (headerLength < 2 || headerLength > MAX_HEADER || headerLength > size - 8) {
      throw new CheckpointException(
          path
              + " is truncated or not a safetensors file: it says that its header has "
              + Long.toUnsignedString(headerLength)
              + " bytes, but "
              + (size - 8)
              + " bytes follow (and at most "
              + MAX_HEADER
              + " are allowed). Download or copy it again.");
    }
    byte[] header = read(path, channel, 8, (int) headerLength);
    long dataSize = size - 8 - headerLength;
    ObjectNode json = JsonFile.parse(header, path + ", header");
    Map<String, String> metadata = new LinkedHashMap<>();
    Map<String, Entry> entries = new LinkedHashMap<>();
    json.properties()
        .forEach(
            field -> {
              if (field.getKey().equals("__metadata__")) {
                field
                    .getValue()
                    .properties()
                    .forEach(m -> metadata.put(m.getKey(), m.getValue().asText()));
              } else {
                entries.put(
                    field.getKey(),
                    entry(path, field.getKey(), field.getValue(), dataSize, otherTypes));
              }
            });
    checkNoHoles(path, entries, dataSize);
    return new SafetensorsFile(path, channel, 8 + headerLength, entries, metadata);
  }

  private static Entry entry(
      Path path, String name, JsonNode json, long dataSize, boolean otherTypes) {
    String where = path + ", tensor '" + name + "': ";
    String type = json.path("dtype").asText("none");
    boolean other = otherTypes && OTHER_TYPES.containsKey(type);
    int bytes = other ? OTHER_TYPES.getOrDefault(type, 0) : dtype(where, type).bytes();
    List<Long> dimensions = longs(json.path("shape"), where + "shape");
    List<Long> offsets = longs(json.path("data_offsets"), where + "data_offsets");
    if (offsets.size() != 2 || offsets.get(0) > offsets.get(1)) {
      throw new CheckpointException(
          where + "data_offsets must be [begin, end], found " + json.path("data_offsets") + ".");
    }
    long begin = offsets.get(0);
    long end = offsets.get(1);
    if (end > dataSize) {
      throw new CheckpointException(
          where
              + "its bytes end at "
              + end
              + " of the data, but the file has only "
              + dataSize
              + ": it is truncated. Download or copy it again.");
    }
    Shape shape = new Shape(dimensions);
    long expected;
    try {
      expected = Math.multiplyExact(shape.elements(), (long) bytes);
    } catch (ArithmeticException e) {
      throw new CheckpointException(where + "shape " + shape + " is larger than any file.", e);
    }
    if (expected != end - begin) {
      throw new CheckpointException(
          where
              + "shape "
              + shape
              + " of "
              + type
              + " needs "
              + expected
              + " bytes, found "
              + (end - begin)
              + ".");
    }
    return new Entry(type, shape, begin, end);
  }

  private static DType dtype(String where, String type) {
    return Arrays.stream(DType.values())
        .filter(known -> known.name().equals(type))
        .findFirst()
        .orElseThrow(
            () ->
                new CheckpointException(
                    where + "expected dtype F32, F16 or BF16, found " + type + "."));
  }

  private static List<Long> longs(JsonNode array, String where) {
    if (!array.isArray()) {
      throw new CheckpointException(
          where + " must be a list of whole numbers, found " + array + ".");
    }
    List<Long> longs = new ArrayList<>();
    for (JsonNode number : array) {
      if (!number.isIntegralNumber() || !number.canConvertToLong() || number.longValue() < 0) {
        throw new CheckpointException(
            where + " must be a list of whole numbers, found " + array + ".");
      }
      longs.add(number.longValue());
    }
    return longs;
  }

  private static void checkNoHoles(Path path, Map<String, Entry> entries, long dataSize) {
    List<Map.Entry<String, Entry>> inOrder = new ArrayList<>(entries.entrySet());
    inOrder.sort(
        Comparator.<Map.Entry<String, Entry>>comparingLong(e -> e.getValue().begin())
            .thenComparingLong(e -> e.getValue().end()));
    long at = 0;
    for (Map.Entry<String, Entry> next : inOrder) {
      if (next.getValue().begin() != at) {
        throw new CheckpointException(
            path
                + ", tensor '"
                + next.getKey()
                + "': its bytes start at "
                + next.getValue().begin()
                + " of the data, expected "
                + at
                + ": tensors must follow one another without overlap or hole.");
      }
      at = next.getValue().end();
    }
    if (at != dataSize) {
      throw new CheckpointException(
          path
              + ": its tensors end at "
              + at
              + " of the data, but the file has "
              + dataSize
              + " bytes of data.");
    }
  }

  private static byte[] read(Path path, FileChannel channel, long position, int length)
      throws IOException {
    byte[] bytes = new byte[length];
    ByteBuffer buffer = ByteBuffer.wrap(bytes);
    while (buffer.hasRemaining()) {
      if (channel.read(buffer, position + buffer.position()) < 0) {
        throw new CheckpointException(path + " became shorter while it was read.");
      }
    }
    return bytes;
  }

  @Override
  public Path path() {
    return path;
  }

  /** The tensors' names in the header's order. */
  @Override
  public Set<String> names() {
    return Collections.unmodifiableSet(entries.keySet());
  }

  /** The free-form entries of the header, for example {@code format → pt}. */
  public Map<String, String> metadata() {
    return Collections.unmodifiableMap(metadata);
  }

  @Override
  public Shape shape(String name) {
    return entry(name).shape();
  }

  @Override
  public DType dtype(String name) {
    return dtype(path + ", tensor '" + name + "': ", entry(name).type());
  }

  /** The type as the header names it. */
  public String storedType(String name) {
    return entry(name).type();
  }

  /** The tensor's bytes, mapped read-only, little-endian, from position 0; never write into it. */
  @Override
  public ByteBuffer bytes(String name) {
    Entry entry = entry(name);
    long length = entry.end() - entry.begin();
    if (length > Integer.MAX_VALUE) {
      throw new CheckpointException(
          path
              + ", tensor '"
              + name
              + "' has "
              + length
              + " bytes; more than 2 GiB in one tensor cannot be mapped.");
    }
    try {
      if (length == 0) {
        return ByteBuffer.allocate(0);
      }
      return channel
          .map(FileChannel.MapMode.READ_ONLY, dataStart + entry.begin(), length)
          .order(ByteOrder.LITTLE_ENDIAN);
    } catch (IOException e) {
      throw new CheckpointException(path + ", tensor '" + name + "' cannot be mapped: " + e, e);
    }
  }

  /** Puts the tensor's numbers, widened to float, at the target's position and moves it on. */
  @Override
  public void read(String name, FloatBuffer target) {
    ByteBuffer bytes = bytes(name);
    switch (dtype(name)) {
      case F32 -> target.put(bytes.asFloatBuffer());
      case BF16 -> {
        ShortBuffer halves = bytes.asShortBuffer();
        while (halves.hasRemaining()) {
          target.put(DType.fromBf16(halves.get()));
        }
      }
      case F16 -> {
        ShortBuffer halves = bytes.asShortBuffer();
        while (halves.hasRemaining()) {
          target.put(DType.fromF16(halves.get()));
        }
      }
    }
  }

  @Override
  public void pieces(String name, NumberSink sink) {
    ByteBuffer bytes = bytes(name);
    DType dtype = dtype(name);
    float[] piece = new float[(int) Math.min(PIECE, bytes.remaining() / dtype.bytes())];
    while (bytes.hasRemaining()) {
      int count = Math.min(piece.length, bytes.remaining() / dtype.bytes());
      widen(bytes, dtype, piece, count);
      sink.put(piece, count);
    }
  }

  private static void widen(ByteBuffer bytes, DType dtype, float[] piece, int count) {
    switch (dtype) {
      case F32 -> bytes.asFloatBuffer().get(piece, 0, count);
      case BF16 -> {
        ShortBuffer halves = bytes.asShortBuffer();
        for (int i = 0; i < count; i++) {
          piece[i] = DType.fromBf16(halves.get(i));
        }
      }
      case F16 -> {
        ShortBuffer halves = bytes.asShortBuffer();
        for (int i = 0; i < count; i++) {
          piece[i] = DType.fromF16(halves.get(i));
        }
      }
    }
    bytes.position(bytes.position() + count * dtype.bytes());
  }

  @Override
  public void checkFinite(String name, LongConsumer read) {
    Entry entry = entry(name);
    Finite finite = new Finite(path, name, entry.shape());
    // Read and not mapped: what is only looked at does not count as memory of this process.
    ByteBuffer piece = ByteBuffer.allocate((int) Math.min(PIECE, entry.end() - entry.begin()));
    try {
      for (long at = entry.begin(); at < entry.end(); at += piece.limit()) {
        piece.clear().limit((int) Math.min(piece.capacity(), entry.end() - at));
        while (piece.hasRemaining()) {
          if (channel.read(piece, dataStart + at + piece.position()) < 0) {
            throw new CheckpointException(path + " became shorter while it was read.");
          }
        }
        finite.add(piece.flip(), dtype(name));
        read.accept(piece.limit());
      }
    } catch (IOException e) {
      throw new CheckpointException(path + ", tensor '" + name + "' cannot be read: " + e, e);
    }
    finite.end();
  }

  /** The tensor's numbers, widened to float, row by row. */
  @Override
  public float[] floats(String name) {
    Entry entry = entry(name);
    long elements = (entry.end() - entry.begin()) / dtype(name).bytes();
    if (elements > Integer.MAX_VALUE - 8) {
      throw new CheckpointException(
          path + ", tensor '" + name + "' has " + elements + " numbers: too many for an array.");
    }
    float[] values = new float[(int) elements];
    read(name, FloatBuffer.wrap(values));
    return values;
  }

  private Entry entry(String name) {
    Entry entry = entries.get(name);
    if (entry == null) {
      throw new CheckpointException(path + " has no tensor '" + name + "'.");
    }
    return entry;
  }

  /** Closes the file; mapped buffers stay readable until they are collected. */
  @Override
  public void close() {
    HeaderFormat.close(channel);
  }
}
