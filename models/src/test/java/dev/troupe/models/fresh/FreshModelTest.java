package dev.troupe.models.fresh;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import dev.troupe.models.checkpoint.Checkpoint;
import dev.troupe.models.tokenizer.Tokenizer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class FreshModelTest {
  private static final FreshModel SHAPE = new FreshModel(64, 2, 4, 2, 128, 300, 32, 0.125);

  @Test
  void write_givesACheckpointThatOpens_andATokenizerThatFits(@TempDir Path directory) {
    SHAPE.write(directory, List.of("the bread and the milk and the tea"), 5);

    try (Checkpoint checkpoint = Checkpoint.open(directory);
        Tokenizer tokenizer = Tokenizer.load(directory)) {
      assertThat(checkpoint.config().hiddenSize()).isEqualTo(64);
      assertThat(checkpoint.config().vocabSize()).isEqualTo(tokenizer.vocabSize());
      assertThat(tokenizer.decode(tokenizer.encode("the bread"))).isEqualTo("the bread");
      assertThat(tokenizer.eos()).isZero();
      double squares = 0;
      float[] embedding = checkpoint.floats("model.embed_tokens.weight");
      for (float value : embedding) {
        squares += value * value;
      }
      assertThat(Math.sqrt(squares / embedding.length)).isCloseTo(0.125, within(0.003));
      assertThat(checkpoint.floats("model.norm.weight")).containsOnly(1f);
    }
  }

  @Test
  void write_sameSeed_isTheSameFile(@TempDir Path one, @TempDir Path two) throws Exception {
    SHAPE.write(one, List.of("the bread"), 5);
    SHAPE.write(two, List.of("the bread"), 5);
    assertThat(Files.mismatch(one.resolve("model.safetensors"), two.resolve("model.safetensors")))
        .isEqualTo(-1);
  }
}
