package dev.troupe.models.checkpoint;

import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.json.JsonMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.Map;

/**
 * The JSON files of model directories: objects, read with errors that name the file and the line,
 * written atomically.
 */
public final class JsonFile {
  private static final ObjectMapper MAPPER =
      JsonMapper.builder().enable(JsonParser.Feature.STRICT_DUPLICATE_DETECTION).build();

  private JsonFile() {}

  /** An empty object to fill. */
  public static ObjectNode object() {
    return MAPPER.createObjectNode();
  }

  /** Reads a file that must hold one JSON object. */
  public static ObjectNode read(Path file) {
    byte[] bytes;
    try {
      bytes = Files.readAllBytes(file);
    } catch (NoSuchFileException e) {
      throw new CheckpointException(file + " does not exist.", e);
    } catch (IOException e) {
      throw new CheckpointException(file + " cannot be read: " + e, e);
    }
    return parse(bytes, file.toString());
  }

  /** Parses bytes that must be one JSON object; {@code where} names them in errors. */
  public static ObjectNode parse(byte[] json, String where) {
    JsonNode node;
    try {
      node = MAPPER.readTree(json);
    } catch (JsonProcessingException e) {
      throw new CheckpointException(
          where
              + " is not valid JSON (line "
              + (e.getLocation() == null ? "?" : e.getLocation().getLineNr())
              + "): "
              + e.getOriginalMessage(),
          e);
    } catch (IOException e) {
      throw new CheckpointException(where + " is not valid JSON: " + e.getMessage(), e);
    }
    if (node instanceof ObjectNode object) {
      checkText(object, "", where);
      return object;
    }
    throw new CheckpointException(
        where + ": expected a JSON object, found " + node.getNodeType() + ".");
  }

  /** Half a surrogate pair is no text: it would become another letter on its way to a tokenizer. */
  private static void checkText(JsonNode node, String path, String where) {
    if (node.isTextual()) {
      checkText(node.textValue(), path, where);
    } else if (node.isArray()) {
      for (int i = 0; i < node.size(); i++) {
        checkText(node.get(i), path, where);
      }
    } else if (node.isObject()) {
      for (Map.Entry<String, JsonNode> field : node.properties()) {
        String name = path.isEmpty() ? field.getKey() : path + "." + field.getKey();
        checkText(field.getKey(), path.isEmpty() ? "a key" : "a key of " + path, where);
        checkText(field.getValue(), name, where);
      }
    }
  }

  private static void checkText(String text, String path, String where) {
    for (int i = 0; i < text.length(); i++) {
      char unit = text.charAt(i);
      if (Character.isSurrogate(unit)) {
        if (Character.isHighSurrogate(unit)
            && i + 1 < text.length()
            && Character.isLowSurrogate(text.charAt(i + 1))) {
          i++;
        } else {
          throw new CheckpointException(
              where
                  + ": "
                  + path
                  + " has half a character (the lone surrogate \\u"
                  + Integer.toHexString(unit)
                  + "); expected Unicode text.");
        }
      }
    }
  }

  /** Writes the object, indented, by way of a temporary file beside it. */
  public static void write(Path file, ObjectNode object) {
    try {
      Path part = file.resolveSibling(file.getFileName() + ".part");
      Files.writeString(part, object.toPrettyString() + "\n");
      Files.move(part, file, StandardCopyOption.REPLACE_EXISTING, StandardCopyOption.ATOMIC_MOVE);
    } catch (IOException e) {
      throw new CheckpointException(file + " cannot be written: " + e, e);
    }
  }
}
