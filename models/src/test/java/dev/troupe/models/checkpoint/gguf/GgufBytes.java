package dev.troupe.models.checkpoint.gguf;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;

/** Writes GGUF files by the byte, right or wrong. */
final class GgufBytes {
  static final int UINT32 = 4;
  static final int STRING = 8;
  static final int ARRAY = 9;

  private final ByteArrayOutputStream bytes = new ByteArrayOutputStream();

  /** Magic, version 3 and the counts. */
  static GgufBytes header(long tensors, long keys) {
    return new GgufBytes().raw("GGUF").int32(3).int64(tensors).int64(keys);
  }

  GgufBytes raw(String text) {
    bytes.writeBytes(text.getBytes(StandardCharsets.UTF_8));
    return this;
  }

  GgufBytes int32(int value) {
    bytes.writeBytes(ByteBuffer.allocate(4).order(ByteOrder.LITTLE_ENDIAN).putInt(value).array());
    return this;
  }

  GgufBytes int64(long value) {
    bytes.writeBytes(ByteBuffer.allocate(8).order(ByteOrder.LITTLE_ENDIAN).putLong(value).array());
    return this;
  }

  GgufBytes text(String text) {
    return int64(text.getBytes(StandardCharsets.UTF_8).length).raw(text);
  }

  GgufBytes key(String name, int value) {
    return text(name).int32(UINT32).int32(value);
  }

  GgufBytes key(String name, String value) {
    return text(name).int32(STRING).text(value);
  }

  /** An entry of a tensor, without its bytes; the fastest dimension first. */
  GgufBytes tensor(String name, int type, long offset, long... dimensions) {
    text(name).int32(dimensions.length);
    for (long dimension : dimensions) {
      int64(dimension);
    }
    return int32(type).int64(offset);
  }

  /** Zeros up to the next multiple of 32, then so many more. */
  GgufBytes data(int count) {
    bytes.writeBytes(new byte[(32 - bytes.size() % 32) % 32 + count]);
    return this;
  }

  Path write(Path directory) {
    try {
      return Files.write(directory.resolve("model.gguf"), bytes.toByteArray());
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }
}
