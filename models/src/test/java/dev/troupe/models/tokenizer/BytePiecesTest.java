package dev.troupe.models.tokenizer;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.troupe.models.BytePieces;
import dev.troupe.models.Golden;
import dev.troupe.models.checkpoint.JsonFile;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/**
 * Pieces of bytes among the added tokens: the letters that they make are text, and nobody makes one
 * by spelling its name. Numbers by {@code make_byte_pieces.py}.
 */
class BytePiecesTest {
  private static final int BYTE = 6;

  @TempDir Path directory;

  @ParameterizedTest
  @CsvSource({"llama2, true", "llama2, false", "mistral, true", "mistral, false"})
  void bytesAmongTheAddedTokens_areLettersAndNoMarkers(String kind, boolean special) {
    try (Tokenizer tokenizer = Tokenizer.load(BytePieces.added(kind, special, directory))) {
      JsonNode cases = Golden.json("byte_pieces.json").get(kind);
      assertThat(cases).hasSize(8);
      for (JsonNode expected : cases) {
        String text = expected.get("text").asText();
        int[] ids = Golden.ints(expected.get("encode"));
        assertThat(tokenizer.encode(text)).as("ids of %s", text).isEqualTo(ids);
        assertThat(
                tokenizer.place(text).stream()
                    .flatMapToInt(token -> IntStream.of(token.begin(), token.end()))
                    .toArray())
            .as("offsets of %s", text)
            .isEqualTo(Golden.ints(expected.get("offsets")));
        assertThat(tokenizer.decode(ids))
            .as("decoded %s", text)
            .isEqualTo(expected.get("decoded").asText());
        int[] marked = Golden.ints(expected.get(special ? "marked" : "added"));
        assertThat(tokenizer.encodeMarkedDocument(text)).as("marked %s", text).isEqualTo(marked);
        assertThat(String.join("", tokenizer.pieces(marked)))
            .as("pieces of %s", text)
            .isEqualTo(expected.get("spelled").asText());
      }
      // The golden file has what would be lost.
      assertThat(cases.get(0).get("skipped").asText().length())
          .isLessThan(cases.get(0).get("decoded").asText().length());
    }
  }

  @ParameterizedTest
  @CsvSource({"true", "false"})
  void aMessageThatSpellsAByte_isItsLettersBetweenTheMarkers(boolean special) {
    try (Tokenizer tokenizer = Tokenizer.load(BytePieces.added("llama2", special, directory))) {
      String message = "gr\u00fc\u00dfe<0x0A>\ud83d\ude00</s>";
      int[] said = tokenizer.encode(message);
      int[] rendered =
          tokenizer.encodeRendered(
              "<s>"
                  + message
                      .replace("<0x", ChatTemplate.GUARD + "<0x")
                      .replace("</s>", ChatTemplate.GUARD + "</s>")
                  + "</s>");
      assertThat(Arrays.copyOfRange(rendered, 1, rendered.length - 1)).isEqualTo(said);
      assertThat(rendered[0]).isEqualTo(tokenizer.id("<s>").orElseThrow());
      assertThat(tokenizer.decode(rendered)).isEqualTo(tokenizer.decode(said)).isEqualTo(message);
    }
  }

  @Test
  void aByteThatFillsUp_isAMarker() throws Exception {
    BytePieces.added("llama2", true, directory);
    Files.writeString(directory.resolve("tokenizer_config.json"), "{\"pad_token\": \"<0x00>\"}");
    try (Tokenizer tokenizer = Tokenizer.load(directory)) {
      int pad = tokenizer.pad().orElseThrow();
      int[] text = tokenizer.encode("\u00df");
      assertThat(tokenizer.decode(new int[] {text[0], text[1], text[2], pad})).isEqualTo("\u00df");
      assertThat(tokenizer.encode("a\u0000b")).doesNotContain(pad);
    }
  }

  @Test
  void exportedAsGguf_theyAreBytes() throws Exception {
    BytePieces.added("llama2", true, directory);
    Path file = directory.resolve("tokenizer.json");
    ObjectNode json = JsonFile.read(file);
    // Single letters alone, which need no merges.
    ObjectNode model = (ObjectNode) json.get("model");
    model.putArray("merges");
    ((ObjectNode) model.get("vocab"))
        .properties()
        .removeIf(entry -> entry.getKey().length() > 1 && entry.getKey().charAt(0) != '<');
    Files.writeString(file, json.toString());
    try (Tokenizer tokenizer = Tokenizer.load(directory)) {
      int size = tokenizer.vocabSize();
      GgufVocabulary vocabulary = GgufVocabulary.of(directory, size);
      List<Integer> bytes =
          IntStream.range(0, size)
              .filter(id -> vocabulary.kinds().get(id) == BYTE)
              .boxed()
              .toList();
      assertThat(bytes)
          .hasSize(256)
          .allMatch(id -> vocabulary.tokens().get(id).matches("<0x[0-9A-F]{2}>"));
    }
  }
}
