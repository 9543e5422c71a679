package dev.troupe.models.checkpoint.gguf;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import com.fasterxml.jackson.databind.JsonNode;
import dev.troupe.models.Golden;
import dev.troupe.models.checkpoint.Checkpoint;
import dev.troupe.models.checkpoint.CheckpointException;
import dev.troupe.models.checkpoint.ModelConfig;
import dev.troupe.models.tokenizer.ChatTurn;
import dev.troupe.models.tokenizer.Tokenizer;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** A GGUF file is the same model as the Hugging Face directory that it was made of. */
class GgufModelTest {
  @ParameterizedTest
  @CsvSource({
    "llama, gqa-tied-bf16, 0",
    "qwen2, families/qwen2, 0",
    "qwen3, families/qwen3, 0",
    // Its norms are stored plus one, which rounds.
    "gemma3, families/gemma3, 1.2e-7"
  })
  void open_theSameTensors(String file, String directory, float tolerance) {
    try (Checkpoint gguf = Checkpoint.open(Golden.path("gguf/" + file + ".gguf"));
        Checkpoint original = Checkpoint.open(Golden.path(directory))) {
      assertThat(gguf.names()).isEqualTo(original.names());
      for (String name : original.names()) {
        assertThat(gguf.shape(name)).as(name).isEqualTo(original.shape(name));
        assertThat(gguf.floats(name))
            .as(name)
            .containsExactly(original.floats(name), within(tolerance));
      }
    }
  }

  @ParameterizedTest
  @CsvSource({"llama, gqa-tied-bf16", "qwen2, families/qwen2", "qwen3, families/qwen3"})
  void read_theSameConfiguration(String file, String directory) {
    ModelConfig gguf = ModelConfig.read(Golden.path("gguf/" + file + ".gguf"));
    ModelConfig original = ModelConfig.read(Golden.path(directory));
    assertThat(gguf).usingRecursiveComparison().ignoringFields("source").isEqualTo(original);
  }

  @Test
  void read_gemma3_hasItsDefaults() {
    ModelConfig config = ModelConfig.read(Golden.path("gguf/gemma3.gguf"));
    assertThat(config.source().path("sliding_window_pattern").asInt()).isEqualTo(6);
    assertThat(config.source().path("rope_local_base_freq").asDouble()).isEqualTo(10_000);
    assertThat(config.source().path("query_pre_attn_scalar").asInt()).isEqualTo(6);
    assertThat(config.source().path("rope_scaling").path("factor").asDouble()).isEqualTo(4);
    assertThat(config.normEps()).isEqualTo(1e-6);
    assertThat(config.tiedEmbeddings()).isTrue();
  }

  @ParameterizedTest
  @CsvSource({
    "llama, tokenization.json",
    "pieces, tokenizer-metaspace/tokenization.json",
    "words, tokenizer-split/tokenization.json"
  })
  void tokenizer_givesTheSameIds(String file, String expectations) {
    try (Tokenizer tokenizer = Tokenizer.load(Golden.path("gguf/" + file + ".gguf"))) {
      for (JsonNode expected : Golden.json(expectations)) {
        String text = expected.get("text").asText();
        int[] rendered = Golden.ints(expected.get("rendered"));
        assertThat(tokenizer.encode(text)).as(text).isEqualTo(Golden.ints(expected.get("encode")));
        assertThat(tokenizer.encodeRendered(text)).as(text).isEqualTo(rendered);
        assertThat(tokenizer.encodeDocument(text))
            .as(text)
            .isEqualTo(Golden.ints(expected.get("document")));
        assertThat(tokenizer.decode(rendered)).isEqualTo(expected.get("decoded").asText());
      }
    }
  }

  @Test
  void tokenizer_hasTheChatTemplate() {
    List<ChatTurn> turns = List.of(new ChatTurn("user", "Hi <|end|>"));
    try (Tokenizer gguf = Tokenizer.load(Golden.path("gguf/llama.gguf"));
        Tokenizer original = Tokenizer.load(Golden.path("gqa-tied-bf16"))) {
      assertThat(gguf.chatTemplate().orElseThrow().render(turns, true))
          .isEqualTo(original.chatTemplate().orElseThrow().render(turns, true));
      assertThat(gguf.eos()).isEqualTo(original.eos());
    }
  }

  @Test
  void open_aFileWithoutAModel_isRefused() {
    assertThatThrownBy(() -> Checkpoint.open(Golden.path("gguf/pieces.gguf")))
        .isInstanceOf(CheckpointException.class)
        .hasMessage(Golden.path("gguf/pieces.gguf") + " has no tensor 'token_embd.weight'.");
    assertThatThrownBy(() -> Tokenizer.load(Golden.path("gguf/qwen2.gguf")))
        .isInstanceOf(CheckpointException.class)
        .hasMessage(Golden.path("gguf/qwen2.gguf") + " has no tokenizer (tokenizer.ggml.tokens).");
  }
}
