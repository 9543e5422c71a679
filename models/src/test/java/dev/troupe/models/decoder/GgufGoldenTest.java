package dev.troupe.models.decoder;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.troupe.models.Golden;
import dev.troupe.models.checkpoint.Checkpoint;
import dev.troupe.models.checkpoint.ModelConfig;
import dev.troupe.models.tokenizer.Tokenizer;
import dev.troupe.models.torch.Lanes;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Locale;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** A GGUF file in the place of a model directory: configuration, weights and tokenizer. */
final class GgufGoldenTest {
  private static final double TOLERANCE = 1e-4;

  private static Path file(String family) {
    return Golden.path("gguf/families/" + family + ".gguf");
  }

  private static JsonNode golden(String family) {
    return Golden.json("gguf/families/" + family + ".json");
  }

  @ParameterizedTest
  @ValueSource(strings = {"llama", "llama3", "qwen2", "qwen3", "gemma2", "gemma3"})
  void configuration_isThatOfTransformers(String family) {
    ObjectNode config = (ObjectNode) golden(family).get("config");
    ModelConfig expected = ModelConfig.parse(config, family);
    try (Checkpoint checkpoint = Checkpoint.open(file(family))) {
      ModelConfig found = checkpoint.config();
      assertThat(found.architecture()).isEqualTo(expected.architecture());
      assertThat(found.decoder()).isEqualTo(expected.decoder());
      assertThat(found.normEps()).isEqualTo(expected.normEps());
      assertThat(found.headDim()).isEqualTo(expected.headDim());
      assertThat(found.maxPositionEmbeddings()).isEqualTo(expected.maxPositionEmbeddings());
      assertThat(found.tiedEmbeddings()).isEqualTo(expected.tiedEmbeddings());
      assertThat(found.tensors()).isEqualTo(expected.tensors());
      assertThat(found.eosTokenIds()).containsExactly(golden(family).get("eos").intValue());
      assertThat(checkpoint.names()).isEqualTo(expected.tensors().keySet());
    }
    assertThat(ModelConfig.read(file(family)).decoder()).isEqualTo(expected.decoder());
  }

  @ParameterizedTest
  @ValueSource(strings = {"llama", "llama3", "qwen2", "qwen3", "gemma2", "gemma3"})
  void logits_equalTransformersOnTheSameDequantisedWeights(String family) {
    Lanes.shared()
        .run(
            () -> {
              try (BaseModel base = BaseModel.load(file(family))) {
                ParameterLayout bare = ParameterLayout.bare(base.config(), false);
                double worst =
                    FamilyGoldenTest.worst(base, bare, new float[0], golden(family), "logits");
                System.out.printf(Locale.ROOT, "%s.gguf: logits %.2e%n", family, worst);
                assertThat(worst).isLessThanOrEqualTo(TOLERANCE);
              }
              return 0;
            });
  }

  @ParameterizedTest
  @ValueSource(strings = {"llama", "llama3", "qwen2", "qwen3", "gemma2", "gemma3"})
  void tokens_equalThoseOfLlamaCpp(String family) {
    try (Tokenizer tokenizer = Tokenizer.load(file(family))) {
      JsonNode golden = golden(family);
      tokenizer.checkFits(ModelConfig.read(file(family)).vocabSize());
      assertThat(tokenizer.eos()).isEqualTo(golden.get("eos").intValue());
      assertThat(tokenizer.addsBos()).isEqualTo(!golden.get("bos").isNull());
      for (JsonNode row : golden.get("tokens")) {
        String text = row.get("text").asText();
        int[] ids = tokenizer.encode(text);
        assertThat(ids).as("%s: '%s'", family, text).isEqualTo(Golden.ints(row.get("ids")));
        String decoded = row.get("decoded").asText();
        assertThat(tokenizer.decode(ids)).as(family).isEqualTo(decoded);
        assertThat(String.join("", tokenizer.pieces(ids))).as(family).isEqualTo(decoded);
        int[] document = tokenizer.encodeDocument(text);
        int begin = golden.get("bos").isNull() ? 0 : 1;
        assertThat(Arrays.copyOfRange(document, begin, document.length)).isEqualTo(ids);
        if (begin == 1) {
          assertThat(document[0]).isEqualTo(golden.get("bos").intValue());
        }
      }
    }
  }
}
