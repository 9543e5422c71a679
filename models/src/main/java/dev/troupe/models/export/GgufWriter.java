package dev.troupe.models.export;

import dev.troupe.models.checkpoint.CheckpointException;
import dev.troupe.models.checkpoint.DType;
import dev.troupe.models.checkpoint.Shape;
import java.io.BufferedOutputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.function.Function;

/** Writes a GGUF file of version 3 (ggml's {@code docs/gguf.md}). */
final class GgufWriter {
  /** How a tensor is stored. */
  enum Storage {
    F32(0),
    F16(1),
    Q8_0(8);

    private final int number;

    Storage(int number) {
      this.number = number;
    }

    long bytes(long numbers) {
      return switch (this) {
        case F32 -> 4 * numbers;
        case F16 -> 2 * numbers;
        case Q8_0 -> numbers / BLOCK * (BLOCK + 2);
      };
    }
  }

  /** A tensor to come. */
  record Entry(Shape shape, Storage storage) {}

  /** Numbers that Q8_0 stores with one scale. */
  static final int BLOCK = 32;

  private static final int ALIGNMENT = 32;
  private static final int UINT32 = 4;
  private static final int INT32 = 5;
  private static final int FLOAT32 = 6;
  private static final int BOOL = 7;
  private static final int STRING = 8;
  private static final int ARRAY = 9;

  private final ByteArrayOutputStream keys = new ByteArrayOutputStream();
  private int keyCount;
  private final Map<String, Entry> tensors = new LinkedHashMap<>();

  /** A key with its value, both as they stand in another file. */
  void entry(byte[] bytes) {
    keyCount++;
    keys.writeBytes(bytes);
  }

  void text(String key, String value) {
    key(key, STRING);
    text(keys, value);
  }

  void whole(String key, long value) {
    key(key, UINT32);
    keys.writeBytes(little(4).putInt((int) value).array());
  }

  void number(String key, double value) {
    key(key, FLOAT32);
    keys.writeBytes(little(4).putFloat((float) value).array());
  }

  void flag(String key, boolean value) {
    key(key, BOOL);
    keys.write(value ? 1 : 0);
  }

  void texts(String key, List<String> values) {
    array(key, STRING, values.size());
    values.forEach(value -> text(keys, value));
  }

  void wholes(String key, List<Integer> values) {
    array(key, INT32, values.size());
    values.forEach(value -> keys.writeBytes(little(4).putInt(value).array()));
  }

  void numbers(String key, List<Float> values) {
    array(key, FLOAT32, values.size());
    values.forEach(value -> keys.writeBytes(little(4).putFloat(value).array()));
  }

  void tensor(String name, Shape shape, Storage storage) {
    tensors.put(name, new Entry(shape, storage));
  }

  /** Writes all; the numbers are asked for one tensor after the other. */
  void write(Path file, Function<String, float[]> numbers) {
    try (OutputStream out = new BufferedOutputStream(Files.newOutputStream(file), 1 << 20)) {
      byte[] header = header();
      out.write(header);
      out.write(new byte[(int) padding(header.length)]);
      for (Map.Entry<String, Entry> tensor : tensors.entrySet()) {
        float[] values = numbers.apply(tensor.getKey());
        Entry entry = tensor.getValue();
        if (values.length != entry.shape().elements()) {
          throw new IllegalArgumentException(
              tensor.getKey() + " has " + values.length + " numbers, not " + entry.shape());
        }
        write(out, tensor.getKey(), values, entry.storage());
        out.write(new byte[(int) padding(entry.storage().bytes(values.length))]);
      }
    } catch (IOException e) {
      throw new CheckpointException(file + " cannot be written: " + e, e);
    }
  }

  private byte[] header() {
    ByteArrayOutputStream header = new ByteArrayOutputStream();
    header.writeBytes("GGUF".getBytes(StandardCharsets.US_ASCII));
    header.writeBytes(little(20).putInt(3).putLong(tensors.size()).putLong(keyCount).array());
    header.writeBytes(keys.toByteArray());
    long offset = 0;
    for (Map.Entry<String, Entry> tensor : tensors.entrySet()) {
      Entry entry = tensor.getValue();
      List<Long> dimensions = entry.shape().dimensions();
      text(header, tensor.getKey());
      ByteBuffer rest = little(4 + 8 * dimensions.size() + 4 + 8).putInt(dimensions.size());
      for (int i = dimensions.size() - 1; i >= 0; i--) {
        rest.putLong(dimensions.get(i));
      }
      header.writeBytes(written(rest.putInt(entry.storage().number).putLong(offset)));
      long bytes = entry.storage().bytes(entry.shape().elements());
      offset += bytes + padding(bytes);
    }
    return header.toByteArray();
  }

  private static void write(OutputStream out, String name, float[] values, Storage storage)
      throws IOException {
    int piece = 1 << 16;
    for (int from = 0; from < values.length; from += piece) {
      int count = Math.min(piece, values.length - from);
      ByteBuffer bytes = little((int) storage.bytes(count));
      switch (storage) {
        case F32 -> {
          for (int i = from; i < from + count; i++) {
            bytes.putFloat(values[i]);
          }
        }
        case F16 -> {
          for (int i = from; i < from + count; i++) {
            bytes.putShort(half(values[i], name));
          }
        }
        case Q8_0 -> {
          for (int block = from; block < from + count; block += BLOCK) {
            quantise(values, block, bytes, name);
          }
        }
      }
      out.write(written(bytes));
    }
  }

  /** As ggml: the largest number becomes 127, the rest are rounded, halves away from zero. */
  private static void quantise(float[] values, int from, ByteBuffer bytes, String name) {
    float largest = 0;
    for (int i = 0; i < BLOCK; i++) {
      largest = Math.max(largest, Math.abs(values[from + i]));
    }
    float scale = largest / 127;
    float inverse = scale == 0 ? 0 : 1 / scale;
    bytes.putShort(half(scale, name));
    for (int i = 0; i < BLOCK; i++) {
      float scaled = values[from + i] * inverse;
      bytes.put((byte) (Math.signum(scaled) * Math.floor(Math.abs(scaled) + 0.5)));
    }
  }

  private static short half(float value, String name) {
    short half = DType.toF16(value);
    if ((half & 0x7fff) >= 0x7c00) {
      throw new CheckpointException(
          "tensor '"
              + name
              + "': "
              + value
              + " does not fit GGUF's 16-bit numbers (largest 65504).");
    }
    return half;
  }

  private void key(String key, int type) {
    keyCount++;
    text(keys, Objects.requireNonNull(key));
    keys.writeBytes(little(4).putInt(type).array());
  }

  private void array(String key, int type, int count) {
    key(key, ARRAY);
    keys.writeBytes(little(12).putInt(type).putLong(count).array());
  }

  private static void text(ByteArrayOutputStream out, String text) {
    byte[] utf8 = text.getBytes(StandardCharsets.UTF_8);
    out.writeBytes(little(8).putLong(utf8.length).array());
    out.writeBytes(utf8);
  }

  private static byte[] written(ByteBuffer buffer) {
    byte[] bytes = new byte[buffer.flip().remaining()];
    buffer.get(bytes);
    return bytes;
  }

  private static long padding(long bytes) {
    return (ALIGNMENT - bytes % ALIGNMENT) % ALIGNMENT;
  }

  private static ByteBuffer little(int bytes) {
    return ByteBuffer.allocate(bytes).order(ByteOrder.LITTLE_ENDIAN);
  }
}
