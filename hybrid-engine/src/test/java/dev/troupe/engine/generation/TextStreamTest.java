package dev.troupe.engine.generation;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.troupe.models.tokenizer.Tokenizer;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Locale;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class TextStreamTest {
  private static final String TEXT = "gr\u00fc\u00dfe \ud83d\ude00 \ud835\udd73<0x0A>!\n\n";

  @TempDir Path directory;

  /** Letters of up to four bytes, each a token, come out with their last, and none is lost. */
  @ParameterizedTest
  @CsvSource({"llama2, true", "llama2, false", "mistral, true"})
  void add_lettersOfSeveralBytePieces_eachWithItsLast(String kind, boolean special)
      throws IOException {
    bytesAdded(kind, special);
    try (Tokenizer tokenizer = Tokenizer.load(directory)) {
      TextStream stream = new TextStream(tokenizer);
      StringBuilder shown = new StringBuilder();
      for (int token : tokenizer.encode(TEXT)) {
        String piece = stream.add(token);
        assertThat(piece).doesNotContain("\ufffd");
        shown.append(piece);
        assertThat(TEXT).startsWith(shown);
      }
      assertThat(shown).hasToString(TEXT);
    }
  }

  /** A golden tokenizer of the models module, with the pieces of bytes among the added tokens. */
  private void bytesAdded(String kind, boolean special) throws IOException {
    ObjectMapper mapper = new ObjectMapper();
    Path golden =
        Path.of(
            System.getProperty("troupe.root"),
            "models/src/test/resources/golden/tokenizers",
            kind,
            "tokenizer.json");
    ObjectNode json = (ObjectNode) mapper.readTree(Files.readAllBytes(golden));
    for (int value = 0; value < 256; value++) {
      String content = String.format(Locale.ROOT, "<0x%02X>", value);
      ((ArrayNode) json.get("added_tokens"))
          .addObject()
          .put("id", json.at("/model/vocab").get(content).intValue())
          .put("content", content)
          .put("single_word", false)
          .put("lstrip", false)
          .put("rstrip", false)
          .put("normalized", false)
          .put("special", special);
    }
    Files.write(directory.resolve("tokenizer.json"), mapper.writeValueAsBytes(json));
  }
}
