package dev.troupe.actors.pipeline;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
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

  static @Nullable Number finite(Number number) {
    return Double.isFinite(number.doubleValue()) ? number : null;
  }

  static List<@Nullable Number> finite(List<Float> numbers) {
    List<@Nullable Number> all = new ArrayList<>();
    numbers.forEach(number -> all.add(finite(number)));
    return all;
  }
}
