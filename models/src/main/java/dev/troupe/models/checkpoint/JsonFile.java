package dev.troupe.models.checkpoint;

import com.fasterxml.jackson.core.JsonLocation;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.exc.StreamConstraintsException;
import com.fasterxml.jackson.core.io.JsonEOFException;
import com.fasterxml.jackson.databind.DatabindException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.json.JsonMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
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
    } catch (IOException e) {
      throw Unreadable.of(file, e);
    }
    return parse(bytes, file.toString());
  }

  /** Parses bytes that must be one JSON object; {@code where} names them in errors. */
  public static ObjectNode parse(byte[] json, String where) {
    JsonNode node;
    try {
      node = MAPPER.readTree(json);
    } catch (JsonProcessingException e) {
      throw new CheckpointException(where + " is not valid JSON " + fault(e));
    } catch (IOException e) {
      throw new CheckpointException(where + " cannot be read as JSON.");
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

  /**
   * Where a text stops being JSON and in what way, without a word of it: a file of a model may be a
   * link to one that is not the user's to see.
   */
  public static String fault(JsonProcessingException e) {
    JsonLocation at = e.getLocation();
    String message = e.getOriginalMessage();
    String kind = "something stands there that is not JSON";
    if (e instanceof JsonEOFException || message.startsWith("Unexpected end-of-input")) {
      kind = "it ends in the middle";
    } else if (e instanceof StreamConstraintsException) {
      kind = message;
    } else if (message.startsWith("Duplicate field")) {
      kind = "a key is there twice";
    } else if (message.startsWith("Invalid UTF-8")) {
      kind = "it is not UTF-8";
    } else if (e instanceof DatabindException) {
      kind = "a value is not of the kind expected";
    }
    return at == null || at.getLineNr() < 1
        ? "(" + kind + ")"
        : "(line " + at.getLineNr() + "): " + kind + ", at column " + at.getColumnNr();
  }

  /** Writes the object, indented, by way of a temporary file beside it. */
  public static void write(Path file, ObjectNode object) {
    try {
      DurableFiles.write(file, object.toPrettyString() + "\n");
    } catch (IOException e) {
      throw new CheckpointException(file + " cannot be written: " + e, e);
    }
  }
}
