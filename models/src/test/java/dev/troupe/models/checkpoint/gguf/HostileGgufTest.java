package dev.troupe.models.checkpoint.gguf;

import static org.assertj.core.api.Assertions.assertThat;

import dev.troupe.models.Golden;
import dev.troupe.models.checkpoint.Checkpoint;
import dev.troupe.models.checkpoint.CheckpointException;
import dev.troupe.models.tokenizer.Tokenizer;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Random;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Damaged models are read or refused with one message that names the file: nothing else. */
final class HostileGgufTest {
  private static final int ROUNDS = Integer.getInteger("troupe.fuzz.rounds", 150);

  @TempDir Path directory;

  @ParameterizedTest
  @ValueSource(strings = {"llama", "llama3", "qwen2", "qwen3", "gemma2", "gemma3"})
  void damagedModels_areReadOrRefused(String family) throws IOException {
    byte[] intact = Files.readAllBytes(Golden.path("gguf/families/" + family + ".gguf"));
    Path path = directory.resolve("damaged.gguf");
    int header;
    try (GgufFile file = GgufFile.open(Golden.path("gguf/families/" + family + ".gguf"))) {
      header =
          (int) file.tensors().values().stream().mapToLong(GgufFile.Tensor::offset).min().orElse(0);
    }
    Random random = new Random(family.hashCode());
    int refused = 0;
    for (int round = 0; round < ROUNDS; round++) {
      byte[] damaged = intact.clone();
      for (int i = 0; i <= random.nextInt(3); i++) {
        // Keys and numbers of the model come first; the vocabulary and tensors' entries follow.
        int within = random.nextBoolean() ? 1500 : header;
        damaged[random.nextInt(within)] = (byte) random.nextInt(256);
      }
      Files.write(path, damaged);
      boolean model =
          isRefused(
              family + " round " + round + ", weights",
              () -> {
                try (Checkpoint checkpoint = Checkpoint.open(path)) {
                  checkpoint.names().forEach(checkpoint::floats);
                }
              });
      boolean tokens =
          isRefused(
              family + " round " + round + ", tokenizer",
              () -> {
                try (Tokenizer tokenizer = Tokenizer.load(path)) {
                  tokenizer.decode(tokenizer.encodeDocument("the cat sat"));
                }
              });
      refused += model || tokens ? 1 : 0;
    }
    assertThat(refused).isBetween(1, ROUNDS - 1);
  }

  private static boolean isRefused(String what, Runnable reading) {
    try {
      reading.run();
      return false;
    } catch (CheckpointException e) {
      assertThat(e).as(what).hasMessageContaining("damaged.gguf");
      return true;
    } catch (RuntimeException | Error e) {
      throw new AssertionError(what + ": " + e, e);
    }
  }
}
