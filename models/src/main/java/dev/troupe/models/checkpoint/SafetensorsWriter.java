package dev.troupe.models.checkpoint;

import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.FloatBuffer;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;

/** Writes safetensors files that Hugging Face libraries load. */
public final class SafetensorsWriter {
  private static final int BLOCK = 1 << 16;

  private SafetensorsWriter() {}

  /**
   * Writes the tensors in the map's order, by way of a temporary file beside the target.
   *
   * @param file replaced when it exists
   * @param tensors name → numbers
   * @param dtype how every number is stored
   */
  public static void write(Path file, Map<String, TensorData> tensors, DType dtype) {
    Map<String, Shape> shapes = new LinkedHashMap<>();
    tensors.forEach((name, tensor) -> shapes.put(name, tensor.shape()));
    write(file, shapes, tensors::get, dtype);
  }

  /**
   * As above, of tensors that need not fit into memory together.
   *
   * @param shapes name → shape
   * @param tensors gives their numbers, asked for one by one in that order
   */
  static void write(
      Path file,
      Map<String, Shape> shapes,
      Function<String, @Nullable TensorData> tensors,
      DType dtype) {
    Map<String, StoredTensor> stored = new LinkedHashMap<>();
    shapes.forEach(
        (name, shape) ->
            stored.put(
                name, new StoredTensor(dtype.name(), shape, shape.elements() * dtype.bytes())));
    ByteBuffer block = ByteBuffer.allocate(BLOCK).order(ByteOrder.LITTLE_ENDIAN);
    write(
        file,
        stored,
        (name, channel) -> {
          FloatBuffer values = values(name, stored.get(name), tensors);
          while (values.hasRemaining()) {
            block.clear();
            int count = Math.min(values.remaining(), BLOCK / dtype.bytes());
            for (int i = 0; i < count; i++) {
              put(block, values.get(), dtype, file, name);
            }
            drain(block.flip(), channel);
          }
        });
  }

  /**
   * Writes tensors of any type, by way of a temporary file beside the target.
   *
   * @param file replaced when it exists
   * @param tensors name → what the header says
   * @param bytes gives theirs, little-endian, asked for one by one in that order
   */
  public static void writeStored(
      Path file, Map<String, StoredTensor> tensors, Function<String, ByteBuffer> bytes) {
    write(
        file,
        tensors,
        (name, channel) -> {
          ByteBuffer own = bytes.apply(name).duplicate();
          if (own.remaining() != tensors.get(name).bytes()) {
            throw new IllegalArgumentException(
                "tensor '"
                    + name
                    + "' of "
                    + tensors.get(name).bytes()
                    + " bytes was promised, found "
                    + own.remaining());
          }
          drain(own, channel);
        });
  }

  /** Writes one tensor's bytes. */
  private interface Body {
    void write(String name, FileChannel channel) throws IOException;
  }

  private static void write(Path file, Map<String, StoredTensor> tensors, Body body) {
    byte[] header = header(tensors);
    Path part = file.resolveSibling(file.getFileName() + ".part");
    try {
      try (FileChannel channel =
          FileChannel.open(
              part,
              StandardOpenOption.CREATE,
              StandardOpenOption.TRUNCATE_EXISTING,
              StandardOpenOption.WRITE,
              LinkOption.NOFOLLOW_LINKS)) {
        ByteBuffer length =
            ByteBuffer.allocate(8).order(ByteOrder.LITTLE_ENDIAN).putLong(header.length).flip();
        drain(length, channel);
        drain(ByteBuffer.wrap(header), channel);
        for (String name : tensors.keySet()) {
          body.write(name, channel);
        }
        channel.force(true);
      }
      DurableFiles.rename(part, file);
    } catch (IOException e) {
      throw new CheckpointException(file + " cannot be written: " + e, e);
    }
  }

  private static FloatBuffer values(
      String name, StoredTensor promised, Function<String, @Nullable TensorData> tensors) {
    Shape shape = promised.shape();
    TensorData data = tensors.apply(name);
    if (data == null || !data.shape().equals(shape)) {
      throw new IllegalArgumentException(
          "tensor '"
              + name
              + "' of shape "
              + shape
              + " was promised, found "
              + (data == null ? "none" : data.shape()));
    }
    return data.values().duplicate();
  }

  private static byte[] header(Map<String, StoredTensor> tensors) {
    ObjectNode json = JsonFile.object();
    // transformers refuses a file that does not say which framework wrote it.
    json.putObject("__metadata__").put("format", "pt");
    long at = 0;
    for (Map.Entry<String, StoredTensor> tensor : tensors.entrySet()) {
      ObjectNode entry = json.putObject(tensor.getKey());
      entry.put("dtype", tensor.getValue().type());
      ArrayNode dimensions = entry.putArray("shape");
      tensor.getValue().shape().dimensions().forEach(dimensions::add);
      long end = at + tensor.getValue().bytes();
      entry.putArray("data_offsets").add(at).add(end);
      at = end;
    }
    byte[] text = json.toString().getBytes(StandardCharsets.UTF_8);
    // Blanks up to a multiple of 8, so that mapped numbers are aligned.
    byte[] header = Arrays.copyOf(text, (text.length + 7) / 8 * 8);
    Arrays.fill(header, text.length, header.length, (byte) ' ');
    return header;
  }

  private static void put(ByteBuffer block, float value, DType dtype, Path file, String name) {
    switch (dtype) {
      case F32 -> block.putFloat(value);
      case BF16 -> block.putShort(DType.toBf16(value));
      case F16 -> {
        short half = DType.toF16(value);
        if ((half & 0x7fff) == 0x7c00 && !Float.isInfinite(value)) {
          throw new CheckpointException(
              file
                  + ", tensor '"
                  + name
                  + "': "
                  + value
                  + " does not fit F16 (largest 65504); write BF16 or F32 instead.");
        }
        block.putShort(half);
      }
    }
  }

  private static void drain(ByteBuffer buffer, FileChannel channel) throws IOException {
    while (buffer.hasRemaining()) {
      channel.write(buffer);
    }
  }
}
