package dev.troupe.actors.pipeline;

import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.HexFormat;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import java.util.stream.Stream;

/**
 * What the files of a directory held.
 *
 * @param files by path relative to the directory, with forward slashes
 */
record Digests(Map<String, File> files) {
  private static final int CHUNK = 1 << 16;

  /** One file's length in bytes and SHA-256. */
  record File(long bytes, String sha256) {}

  Digests {
    files = new TreeMap<>(files);
  }

  /** Of all files below a directory. */
  static Digests of(Path directory) throws IOException {
    Map<String, File> files = new TreeMap<>();
    try (Stream<Path> below = Files.walk(directory)) {
      for (Path file : (Iterable<Path>) below.filter(Files::isRegularFile)::iterator) {
        files.put(
            directory.relativize(file).toString().replace(java.io.File.separatorChar, '/'),
            of(file, Long.MAX_VALUE));
      }
    }
    return new Digests(files);
  }

  /** The first thing that is not as it was: a file missing, of another length, or changed. */
  Optional<String> damage(Path directory) throws IOException {
    for (Map.Entry<String, File> entry : files.entrySet()) {
      Path file = directory.resolve(entry.getKey());
      if (!Files.isRegularFile(file)) {
        return Optional.of(entry.getKey() + " is missing");
      }
      long bytes = Files.size(file);
      if (bytes != entry.getValue().bytes()) {
        return Optional.of(
            String.format(
                Locale.ROOT,
                "%s has %d bytes, expected %d",
                entry.getKey(),
                bytes,
                entry.getValue().bytes()));
      }
      if (!of(file, Long.MAX_VALUE).equals(entry.getValue())) {
        return Optional.of(entry.getKey() + " has other bytes than were written");
      }
    }
    return Optional.empty();
  }

  /** Length of a file and SHA-256 of its first {@code limit} bytes. */
  static File of(Path file, long limit) throws IOException {
    MessageDigest digest = sha256();
    byte[] chunk = new byte[CHUNK];
    try (InputStream input = Files.newInputStream(file)) {
      long left = limit;
      int read;
      while (left > 0 && (read = input.read(chunk, 0, (int) Math.min(left, CHUNK))) >= 0) {
        digest.update(chunk, 0, read);
        left -= read;
      }
    }
    return new File(Files.size(file), HexFormat.of().formatHex(digest.digest()));
  }

  private static MessageDigest sha256() {
    try {
      return MessageDigest.getInstance("SHA-256");
    } catch (NoSuchAlgorithmException e) {
      throw new IllegalStateException("every Java platform has SHA-256", e);
    }
  }
}
