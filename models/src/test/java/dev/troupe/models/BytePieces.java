package dev.troupe.models;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Locale;

/** Golden tokenizers in whose files the pieces of bytes stand among the added tokens. */
public final class BytePieces {
  private static final ObjectMapper JSON = new ObjectMapper();

  private BytePieces() {}

  /** As {@code make_byte_pieces.py} does. */
  public static Path added(String kind, boolean special, Path target) {
    try {
      ObjectNode json =
          (ObjectNode)
              JSON.readTree(
                  Files.readAllBytes(Golden.path("tokenizers/" + kind + "/tokenizer.json")));
      ArrayNode added = (ArrayNode) json.get("added_tokens");
      for (int value = 0; value < 256; value++) {
        String content = String.format(Locale.ROOT, "<0x%02X>", value);
        added
            .addObject()
            .put("id", json.at("/model/vocab").get(content).intValue())
            .put("content", content)
            .put("single_word", false)
            .put("lstrip", false)
            .put("rstrip", false)
            .put("normalized", false)
            .put("special", special);
      }
      Files.write(target.resolve("tokenizer.json"), JSON.writeValueAsBytes(json));
      return target;
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }
}
