package dev.troupe.rlhf.data;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.StreamReadFeature;
import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.json.JsonMapper;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/** What counts as JSON here, and its values as plain ones. */
final class JsonValues {
  /** One whole value, of which no key comes twice: which of two is meant can't be told. */
  static final JsonMapper STRICT =
      JsonMapper.builder()
          .enable(StreamReadFeature.STRICT_DUPLICATE_DETECTION)
          .enable(DeserializationFeature.FAIL_ON_TRAILING_TOKENS)
          .build();

  /** The same, value after value. */
  static final JsonMapper VALUES =
      JsonMapper.builder().enable(StreamReadFeature.STRICT_DUPLICATE_DETECTION).build();

  private JsonValues() {}

  /** What is wrong, without Jackson's account of where it read. */
  static String reason(JsonProcessingException e) {
    return e.getOriginalMessage()
        .replaceAll("\\s*\\((for|start marker at) [^\\[]*\\[Source: [^\\]]*\\]\\)", "");
  }

  /** As chat templates take it. */
  static @Nullable Object plain(JsonNode node) {
    if (node.isObject()) {
      Map<String, @Nullable Object> map = new LinkedHashMap<>();
      node.properties().forEach(field -> map.put(field.getKey(), plain(field.getValue())));
      return map;
    }
    if (node.isArray()) {
      List<@Nullable Object> list = new ArrayList<>();
      node.forEach(item -> list.add(plain(item)));
      return list;
    }
    if (node.isTextual() || node.isBinary()) {
      return node.asText();
    }
    if (node.isBoolean()) {
      return node.booleanValue();
    }
    if (node.isIntegralNumber()) {
      return node.bigIntegerValue();
    }
    return node.isNumber() ? node.doubleValue() : null;
  }

  /** JSON that stands in a text, as tools do in tables; a value that is no text as it is. */
  static JsonNode unwrapped(Fields fields, String key, JsonNode value) {
    if (!value.isTextual()) {
      return value;
    }
    try {
      return STRICT.readTree(value.textValue());
    } catch (JsonProcessingException e) {
      throw DataException.at(
          fields.origin(), "\"" + key + "\" is text that is not valid JSON (" + reason(e) + ")");
    }
  }

  /**
   * Refuses what is no Unicode text: half of a surrogate pair, and the noncharacter that marks data
   * in a rendered dialogue.
   *
   * @param path of the value in its record, for the error
   */
  static void checkText(JsonNode node, String path, Origin origin) {
    if (node.isTextual()) {
      checkText(node.textValue(), path, origin);
    } else if (node.isArray()) {
      for (int i = 0; i < node.size(); i++) {
        checkText(node.get(i), path + "[" + i + "]", origin);
      }
    } else if (node.isObject()) {
      for (Map.Entry<String, JsonNode> field : node.properties()) {
        String inner = path.isEmpty() ? field.getKey() : path + "." + field.getKey();
        checkText(field.getKey(), path.isEmpty() ? "a key" : "a key of " + path, origin);
        checkText(field.getValue(), inner, origin);
      }
    }
  }

  private static void checkText(String text, String path, Origin origin) {
    UnicodeText.fault(text)
        .ifPresent(
            fault -> {
              throw DataException.at(origin, (path.isEmpty() ? "the text" : path) + ": " + fault);
            });
  }
}
