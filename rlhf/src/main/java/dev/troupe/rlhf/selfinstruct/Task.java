package dev.troupe.rlhf.selfinstruct;

import com.fasterxml.jackson.annotation.JsonProperty;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.json.JsonMapper;
import dev.troupe.rlhf.data.DataException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/**
 * A task.
 *
 * @param instances at least one
 * @param isClassification whether its outputs are a few labels
 */
public record Task(
    String instruction,
    List<Instance> instances,
    @JsonProperty("is_classification") boolean isClassification) {
  private static final JsonMapper JSON = new JsonMapper();

  public Task {
    instances = List.copyOf(instances);
  }

  /**
   * Tasks that people wrote, one JSON object a line: instruction, instances of input and output,
   * is_classification; more keys are left alone.
   *
   * @throws DataException when one lacks something, with its line
   */
  public static List<Task> read(Path file) {
    List<Task> tasks = new ArrayList<>();
    try {
      int number = 0;
      for (String line : Files.readAllLines(file)) {
        number++;
        if (!line.isBlank()) {
          tasks.add(parse(line, file + ", line " + number));
        }
      }
    } catch (IOException e) {
      throw new DataException(file + ": cannot be read as UTF-8 text: " + e.getMessage(), e);
    }
    return tasks;
  }

  private static Task parse(String line, String where) {
    JsonNode node;
    try {
      node = JSON.readTree(line);
    } catch (IOException e) {
      throw new DataException(where + ": is not valid JSON; expected one task on each line", e);
    }
    List<Instance> instances = new ArrayList<>();
    for (JsonNode one : node.path("instances")) {
      instances.add(new Instance(text(one, "input", where), text(one, "output", where)));
    }
    String instruction = text(node, "instruction", where);
    if (instances.isEmpty() || !node.path("is_classification").isBoolean()) {
      throw new DataException(
          where
              + (instances.isEmpty()
                  ? ": 'instances' is missing or empty; expected a list of {\"input\", \"output\"}"
                  : ": 'is_classification' is missing; expected true or false"));
    }
    return new Task(instruction, instances, node.get("is_classification").booleanValue());
  }

  private static String text(JsonNode node, String key, String where) {
    if (!node.path(key).isTextual()) {
      throw new DataException(where + ": '" + key + "' is missing or no text");
    }
    return node.get(key).textValue().strip();
  }
}
