package dev.troupe.models.checkpoint;

import java.io.IOException;
import java.nio.file.AccessDeniedException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;

/** Why a file can't be read, in a person's words. */
public final class Unreadable {
  private Unreadable() {}

  /** An error that names the file. */
  public static CheckpointException of(Path file, IOException e) {
    return new CheckpointException(reason(file, e), e);
  }

  private static String reason(Path file, IOException e) {
    if (Files.isDirectory(file)) {
      return file + " is a directory, expected a file.";
    }
    if (e instanceof NoSuchFileException) {
      return file + " does not exist.";
    }
    if (e instanceof AccessDeniedException) {
      return file + " cannot be read: no permission.";
    }
    return file + " cannot be read: " + e.getMessage();
  }
}
