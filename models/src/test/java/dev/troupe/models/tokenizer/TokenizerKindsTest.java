package dev.troupe.models.tokenizer;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import dev.troupe.models.Golden;
import java.util.List;
import java.util.stream.IntStream;
import org.assertj.core.api.SoftAssertions;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Tokenizers of each family's kind against the {@code tokenizers} library, on hard strings. */
class TokenizerKindsTest {
  private static final int STRINGS = 34;

  @ParameterizedTest
  @ValueSource(
      strings = {
        "gpt2", "opt", "neox", "bloom", "llama3", "qwen2", "smollm", "llama2", "mistral", "gemma",
        "phi3"
      })
  void kind_hardStrings_equalTheLibrary(String kind) {
    JsonNode cases = Golden.json("tokenizers/" + kind + "/expected.json");
    assertThat(cases).hasSize(STRINGS);
    SoftAssertions all = new SoftAssertions();
    try (Tokenizer tokenizer = Tokenizer.load(Golden.path("tokenizers/" + kind))) {
      for (JsonNode expected : cases) {
        String text = expected.get("text").asText();
        int[] user = Golden.ints(expected.get("encode"));
        int[] rendered = Golden.ints(expected.get("rendered"));
        all.assertThat(tokenizer.encode(text)).as("ids of %s", text).isEqualTo(user);
        all.assertThat(offsets(tokenizer.place(text)))
            .as("offsets of %s", text)
            .isEqualTo(Golden.ints(expected.get("offsets")));
        all.assertThat(tokenizer.encodeDocument(text))
            .as("document of %s", text)
            .isEqualTo(Golden.ints(expected.get("document")));
        all.assertThat(tokenizer.encodeRendered(text)).as("rendered %s", text).isEqualTo(rendered);
        all.assertThat(tokenizer.decode(rendered))
            .as("decoded %s", text)
            .isEqualTo(expected.get("decoded").asText());
        all.assertThat(tokenizer.decode(user))
            .as("user text %s", text)
            .isEqualTo(expected.get("user").asText());
        all.assertThat(String.join("", tokenizer.pieces(rendered)))
            .as("pieces of %s", text)
            .isEqualTo(expected.get("spelled").asText());
      }
    }
    all.assertAll();
  }

  private static int[] offsets(List<Tokenizer.Placed> tokens) {
    return tokens.stream()
        .flatMapToInt(token -> IntStream.of(token.begin(), token.end()))
        .toArray();
  }
}
