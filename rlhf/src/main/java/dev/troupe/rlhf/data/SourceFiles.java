package dev.troupe.rlhf.data;

import java.io.IOException;
import java.nio.file.FileSystems;
import java.nio.file.Files;
import java.nio.file.InvalidPathException;
import java.nio.file.Path;
import java.nio.file.PathMatcher;
import java.util.ArrayList;
import java.util.List;
import java.util.regex.Pattern;
import java.util.regex.PatternSyntaxException;
import java.util.stream.Stream;

/**
 * The files that a source's path names: itself, those of a directory, or those that a glob matches.
 *
 * @param files in the order of their names
 * @param unread files of a directory that hold no records
 */
public record SourceFiles(List<Path> files, List<Path> unread) {
  private static final Pattern GLOB = Pattern.compile("[*?\\[{]");
  private static final String KNOWN =
      "a .jsonl, .ndjson, .json, .csv or .tsv file, each plain or .gz, or a .parquet file";

  public SourceFiles {
    files = List.copyOf(files);
    unread = List.copyOf(unread);
  }

  /**
   * Looks for them.
   *
   * @param path as the user wrote it
   * @throws DataException when there are none
   */
  public static SourceFiles of(String path) {
    try {
      return find(path);
    } catch (InvalidPathException e) {
      throw new DataException(path + ": is no path: " + e.getReason(), e);
    } catch (IOException e) {
      throw new DataException(path + ": can't be read: " + e.getMessage(), e);
    }
  }

  private static SourceFiles find(String name) throws IOException {
    Path path = Path.of(name);
    if (Files.isDirectory(path)) {
      return inDirectory(name, path);
    }
    if (Files.isRegularFile(path)) {
      if (FileFormat.of(path).isEmpty()) {
        throw new DataException(name + ": expected " + KNOWN);
      }
      return new SourceFiles(List.of(path), List.of());
    }
    if (GLOB.matcher(name).find()) {
      return matching(name);
    }
    throw new DataException(
        name
            + ": there is no such file (looked for "
            + path.toAbsolutePath()
            + "); expected "
            + KNOWN
            + ", a directory of such, or a glob");
  }

  private static SourceFiles inDirectory(String name, Path directory) throws IOException {
    List<Path> files = new ArrayList<>();
    List<Path> unread = new ArrayList<>();
    try (Stream<Path> entries = Files.list(directory)) {
      entries
          .filter(entry -> !isHidden(entry))
          .sorted()
          .forEach(
              entry ->
                  (Files.isRegularFile(entry) && FileFormat.of(entry).isPresent() ? files : unread)
                      .add(entry));
    }
    if (files.isEmpty()) {
      throw new DataException(
          name
              + ": is a directory without files of records (it has "
              + unread.stream().map(file -> file.getFileName().toString()).toList()
              + "); expected "
              + KNOWN
              + " in it; for files further below write a glob, "
              + name
              + "/**.jsonl");
    }
    return new SourceFiles(files, unread);
  }

  private static boolean isHidden(Path file) {
    return String.valueOf(file.getFileName()).startsWith(".");
  }

  private static SourceFiles matching(String glob) throws IOException {
    Path root = Path.of(glob);
    while (root != null && GLOB.matcher(root.toString()).find()) {
      root = root.getParent();
    }
    Path from = root == null ? Path.of("") : root;
    if (!Files.isDirectory(from)) {
      throw new DataException(
          glob + ": there is no directory " + from + " (looked for " + from.toAbsolutePath() + ")");
    }
    PathMatcher matcher;
    try {
      matcher = FileSystems.getDefault().getPathMatcher("glob:" + glob);
    } catch (PatternSyntaxException e) {
      throw new DataException(glob + ": is no glob: " + e.getDescription(), e);
    }
    List<Path> files;
    try (Stream<Path> all = Files.walk(from)) {
      files =
          all.filter(file -> matcher.matches(file) && Files.isRegularFile(file)).sorted().toList();
    }
    if (files.isEmpty()) {
      throw new DataException(
          glob + ": matches no file below " + (from.toString().isEmpty() ? "." : from));
    }
    for (Path file : files) {
      if (FileFormat.of(file).isEmpty()) {
        throw new DataException(glob + ": matches " + file + "; expected " + KNOWN);
      }
    }
    return new SourceFiles(files, List.of());
  }
}
