package dev.troupe.actors.pipeline;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.troupe.models.checkpoint.CheckpointException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

final class ModelTextTest {
  private static final Path GOLDEN = Path.of("..", "models", "src", "test", "resources", "golden");

  @TempDir private Path model;

  /** GPT-2 on the hub is such a directory. */
  @Test
  void endOfSequence_thatTheTokenizerDoesNotName_isTheModels() throws IOException {
    ObjectMapper mapper = new ObjectMapper();
    Path config = model.resolve("config.json");
    Files.copy(GOLDEN.resolve("tokenizers/gpt2/tokenizer.json"), model.resolve("tokenizer.json"));
    ObjectNode json =
        (ObjectNode) mapper.readTree(GOLDEN.resolve("families/gpt2/config.json").toFile());
    json.put("vocab_size", 50_257).put("eos_token_id", 7);
    mapper.writeValue(config.toFile(), json);
    try (ModelText text = ModelText.load(model)) {
      assertThat(text.endOfSequence()).isEqualTo(7);
    }
    mapper.writeValue(config.toFile(), json.putNull("eos_token_id"));
    try (ModelText text = ModelText.load(model)) {
      assertThatThrownBy(text::endOfSequence)
          .isInstanceOf(CheckpointException.class)
          .hasMessageContaining("set eos_token in tokenizer_config.json");
    }
  }
}
