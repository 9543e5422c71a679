package dev.troupe.engine;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import java.util.stream.Stream;
import java.util.zip.CRC32C;

/** Short names of what nodes must have in common: another name, other bytes. Against mistakes. */
final class Fingerprints {
  private static final int CHUNK = 1 << 20;
  private static final long FACTOR = 0x9e3779b97f4a7c15L;

  private Fingerprints() {}

  /** Of a vector, by its bits. */
  static String of(float[] values) {
    long hash = values.length;
    for (float value : values) {
      hash = (hash ^ Float.floatToRawIntBits(value)) * FACTOR;
      hash ^= hash >>> 32;
    }
    return String.format(Locale.ROOT, "%016x", hash);
  }

  /** Of the files of a model, or of the one that it is: what it is made of, and its weights. */
  static String ofModel(Path model) {
    try {
      CRC32C sum = new CRC32C();
      long bytes = 0;
      for (Path file : files(model)) {
        sum.update(file.getFileName().toString().getBytes(StandardCharsets.UTF_8));
        bytes += read(file, sum);
      }
      return String.format(Locale.ROOT, "%d bytes, %08x", bytes, sum.getValue());
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  private static List<Path> files(Path model) throws IOException {
    if (!Files.isDirectory(model)) {
      return List.of(model);
    }
    try (Stream<Path> files = Files.list(model)) {
      return files
          .filter(file -> file.toString().matches(".*(/config\\.json|\\.safetensors|\\.gguf)"))
          .sorted()
          .toList();
    }
  }

  private static long read(Path file, CRC32C sum) throws IOException {
    long bytes = 0;
    ByteBuffer chunk = ByteBuffer.allocateDirect(CHUNK);
    try (FileChannel channel = FileChannel.open(file)) {
      while (channel.read(chunk) >= 0) {
        chunk.flip();
        bytes += chunk.remaining();
        sum.update(chunk);
        chunk.clear();
      }
    }
    return bytes;
  }
}
