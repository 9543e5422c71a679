package dev.troupe.models.checkpoint.gguf;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.troupe.models.checkpoint.CheckpointException;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** What a file says of its model that cannot be run is refused by name. */
final class GgufConfigTest {
  @TempDir Path directory;

  private static Map<String, Object> llama() {
    Map<String, Object> keys = new LinkedHashMap<>();
    keys.put("general.architecture", "llama");
    keys.put("llama.embedding_length", 32);
    keys.put("llama.block_count", 1);
    keys.put("llama.feed_forward_length", 64);
    keys.put("llama.attention.head_count", 4);
    keys.put("llama.context_length", 128);
    keys.put("llama.attention.layer_norm_rms_epsilon", 1e-5f);
    return keys;
  }

  private ObjectNode config(Map<String, Object> keys) {
    GgufBytes bytes = GgufBytes.header(1, keys.size());
    keys.forEach(
        (name, value) -> {
          if (value instanceof Integer whole) {
            bytes.key(name, whole);
          } else if (value instanceof Float real) {
            bytes.text(name).int32(6).int32(Float.floatToRawIntBits(real));
          } else {
            bytes.key(name, value.toString());
          }
        });
    Path path = bytes.tensor("token_embd.weight", 0, 0, 32, 7).data(32 * 7 * 4).write(directory);
    try (GgufFile file = GgufFile.open(path)) {
      return GgufConfig.of(file);
    }
  }

  private void refuses(String key, Object value, String message) {
    Map<String, Object> keys = llama();
    keys.put(key, value);
    assertThatThrownBy(() -> config(keys))
        .isInstanceOf(CheckpointException.class)
        .hasMessageContaining("model.gguf")
        .hasMessageContaining(message);
  }

  @Test
  void ordinaryKeys_areThoseOfConfigJson() {
    Map<String, Object> keys = llama();
    keys.put("llama.rope.dimension_count", 8);
    ObjectNode config = config(keys);
    assertThat(config.path("vocab_size").intValue()).isEqualTo(7);
    assertThat(config.path("rms_norm_eps").doubleValue()).isEqualTo(1e-5);
    assertThat(config.path("tie_word_embeddings").booleanValue()).isTrue();
  }

  @Test
  void keysThatAreNotUnderstood_areRefusedByName() {
    refuses(
        "llama.expert_count",
        8,
        "the metadata 'llama.expert_count' is not understood, so the model");
    refuses("llama.attention.sliding_window", 512, "'llama.attention.sliding_window' is not");
    refuses("llama.rope.dimension_count", 4, "llama.rope.dimension_count is 4, but a head has 8");
    refuses("llama.attention.head_count", "four", "'llama.attention.head_count' is a text");
    refuses("general.architecture", "mamba", "'mamba' cannot be run from GGUF; known are llama");
    refuses("split.count", 3, "is one of 3 parts of a model (split.count); make one file of them");
  }

  @Test
  void keysThatAreMissing_areNamed() {
    for (String key : llama().keySet()) {
      Map<String, Object> keys = llama();
      keys.remove(key);
      assertThatThrownBy(() -> config(keys))
          .isInstanceOf(CheckpointException.class)
          .hasMessageContaining(key);
    }
  }
}
