package dev.troupe.models.checkpoint;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.nio.charset.StandardCharsets;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Half a character in a model's files would become another letter in silence. */
final class JsonTextTest {
  @ParameterizedTest
  @CsvSource({
    "'{\"a\": {\"b\": [\"x\", \"y\\ud83d\"]}}', a.b, d83d",
    "'{\"\\udc00\": 1}', a key, dc00",
    "'{\"vocab\": {\"\\ude00\\ud83d\": 1}}', a key of vocab, de00"
  })
  void parse_loneSurrogate_isRefusedByItsPlace(String json, String path, String unit) {
    assertThatThrownBy(() -> JsonFile.parse(json.getBytes(StandardCharsets.UTF_8), "m/x.json"))
        .isInstanceOf(CheckpointException.class)
        .hasMessage(
            "m/x.json: "
                + path
                + " has half a character (the lone surrogate \\u"
                + unit
                + "); expected Unicode text.");
  }

  @Test
  void parse_pairOfSurrogates_isText() {
    byte[] json = "{\"a\\ud83d\\ude00\": \"\\ud83d\\ude00\"}".getBytes(StandardCharsets.UTF_8);
    assertThat(JsonFile.parse(json, "x").toString())
        .isEqualTo("{\"a\ud83d\ude00\":\"\ud83d\ude00\"}");
  }
}
