package dev.troupe.actors.pipeline;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.troupe.models.checkpoint.DurableFiles;
import java.io.BufferedReader;
import java.io.BufferedWriter;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.function.Consumer;
import java.util.function.Predicate;
import org.jspecify.annotations.Nullable;

/** A file of one JSON object per line, for scripts. Each line is whole once it is there. */
final class JsonLines {
  private static final ObjectMapper JSON = new ObjectMapper();

  private final Path file;

  JsonLines(Path file) {
    this.file = file;
  }

  /**
   * @param line plain values, lists and maps; a number that is not finite is written as null, since
   *     JSON has no word for it
   */
  void append(Map<String, ?> line) {
    try {
      Files.writeString(
          file,
          JSON.writeValueAsString(PlainJson.of(line)) + "\n",
          StandardOpenOption.CREATE,
          StandardOpenOption.APPEND);
    } catch (JsonProcessingException e) {
      throw new IllegalArgumentException("not plain: " + line, e);
    } catch (IOException e) {
      throw new PipelineException("cannot write to " + file + ": " + e, e);
    }
  }

  /**
   * Leaves out lines of an earlier run: those that {@code kept} refuses, and a last one that a
   * crash left incomplete.
   */
  void keep(Predicate<JsonNode> kept) {
    if (!Files.exists(file)) {
      return;
    }
    Path rewritten = file.resolveSibling(file.getFileName() + ".writing");
    try (BufferedReader lines = Files.newBufferedReader(file);
        BufferedWriter writer = Files.newBufferedWriter(rewritten)) {
      for (String line = lines.readLine(); line != null; line = lines.readLine()) {
        if (isWhole(line) && kept.test(JSON.readTree(line))) {
          writer.write(line);
          writer.write('\n');
        }
      }
    } catch (IOException e) {
      throw new PipelineException("cannot rewrite " + file + ": " + e, e);
    }
    try {
      DurableFiles.sync(rewritten);
      DurableFiles.rename(rewritten, file);
    } catch (IOException e) {
      throw new PipelineException("cannot rewrite " + file + ": " + e, e);
    }
  }

  void forEach(Consumer<JsonNode> reader) {
    if (!Files.exists(file)) {
      return;
    }
    try (BufferedReader lines = Files.newBufferedReader(file)) {
      for (String line = lines.readLine(); line != null; line = lines.readLine()) {
        reader.accept(JSON.readTree(line));
      }
    } catch (IOException e) {
      throw new PipelineException("cannot read " + file + ": " + e, e);
    }
  }

  private static boolean isWhole(String line) {
    try {
      return JSON.readTree(line).isObject();
    } catch (JsonProcessingException e) {
      return false;
    }
  }

  static @Nullable Number finite(Number number) {
    return Double.isFinite(number.doubleValue()) ? number : null;
  }

  static List<@Nullable Number> finite(List<Float> numbers) {
    List<@Nullable Number> all = new ArrayList<>();
    numbers.forEach(number -> all.add(finite(number)));
    return all;
  }
}
