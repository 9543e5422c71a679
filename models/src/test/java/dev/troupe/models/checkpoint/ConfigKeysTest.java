package dev.troupe.models.checkpoint;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.troupe.models.Golden;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.MethodSource;

/** Single keys that transformers does not read, or reads as off (make_config_keys.py). */
class ConfigKeysTest {
  static Stream<Arguments> rows() {
    List<Arguments> rows = new ArrayList<>();
    for (JsonNode row : Golden.json("config_keys.json")) {
      ObjectNode with = row.get("config").deepCopy();
      with.set(row.get("key").asText(), row.get("value"));
      rows.add(Arguments.of(row.get("config"), with, row.get("outcome").asText()));
    }
    return rows.stream();
  }

  @ParameterizedTest
  @MethodSource("rows")
  void key_changesWhatItChangesInTransformers(ObjectNode without, ObjectNode with, String outcome) {
    if (outcome.equals("same")) {
      assertThat(ModelConfig.parse(with, "config"))
          .usingRecursiveComparison()
          .ignoringFields("source")
          .isEqualTo(ModelConfig.parse(without, "config"));
    } else {
      assertThatThrownBy(() -> ModelConfig.parse(with, "config"))
          .isInstanceOf(CheckpointException.class);
    }
  }

  /** What it asks for would not be done. */
  @ParameterizedTest
  @CsvSource({"use_qk_norm, llama", "use_bidirectional_attention, mistral", "qkv_bias, llama"})
  void switchThatIsOn_isRefusedByName(String key, String family) {
    ObjectNode config = config(family);
    config.put(key, true);
    assertThatThrownBy(() -> ModelConfig.parse(config, "config"))
        .isInstanceOf(CheckpointException.class)
        .hasMessageContaining("the key '" + key + "' (found true) is not known for");
  }

  @Test
  void ropeOfAnUnknownType_isToldByTheKeyThatStandsThere() {
    for (String key : List.of("rope_parameters", "rope_scaling")) {
      for (String family : List.of("llama", "phi3", "gemma3_text")) {
        ObjectNode config = config(family);
        ObjectNode rope = config.putObject(key);
        boolean byLayer = family.equals("gemma3_text") && key.equals("rope_parameters");
        (byLayer ? rope.putObject("full_attention") : rope).put("rope_type", "spiral");
        String other = key.equals("rope_scaling") ? "rope_parameters" : "rope_scaling";
        assertThatThrownBy(() -> ModelConfig.parse(config, "config"))
            .as("%s in %s", key, family)
            .hasMessageContaining(
                key + (byLayer ? ": full_attention" : "") + " of type 'spiral' cannot be run")
            .hasMessageNotContaining(other);
      }
    }
  }

  private static ObjectNode config(String family) {
    for (JsonNode row : Golden.json("config_keys.json")) {
      if (row.get("config").get("model_type").asText().equals(family)) {
        return row.get("config").deepCopy();
      }
    }
    throw new AssertionError(family);
  }
}
