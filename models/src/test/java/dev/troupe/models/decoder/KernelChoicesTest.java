package dev.troupe.models.decoder;

import static org.assertj.core.api.Assertions.assertThat;

import dev.troupe.models.Golden;
import dev.troupe.models.checkpoint.ModelConfig;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

final class KernelChoicesTest {
  /**
   * Blocks of 64 queries or a quarter of the text, each with the positions up to its last: 65
   * tokens keep (64 · 64 + 1 · 65) / 65, and so on. So many numbers torch 2.7.1 keeps of these
   * kernels for the gradient, by its hooks on saved tensors.
   */
  @ParameterizedTest
  @CsvSource({
    "llama3, 0, 0",
    "llama3, 32, 32",
    "llama3, 64, 64",
    "llama3, 65, 65", // 64.02
    "llama3, 100, 77", // 76.96
    "llama3, 128, 96",
    "llama3, 192, 128",
    "llama3, 250, 157", // 156.30
    "llama3, 256, 160",
    "llama3, 300, 188", // 187.5
    "llama3, 512, 320",
    "llama3, 4000, 320", // longer ones keep a sum alone, those of 512 beside them do not
    "gemma2, 64, 320",
    "gemma2, 600, 3000", // measured, and not by the hooks
    "bloom, 600, 1",
  })
  void keptProbabilities_ofAHead(String family, long tokens, long kept) {
    ModelConfig config = ModelConfig.read(Golden.path("families/" + family).resolve("config.json"));
    assertThat(KernelChoices.keptProbabilities(config, tokens)).isEqualTo(kept);
    assertThat(BaseModel.keptProbabilities(config, tokens)).isEqualTo(kept * config.heads());
  }
}
