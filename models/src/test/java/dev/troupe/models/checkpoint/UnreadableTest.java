package dev.troupe.models.checkpoint;

import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.troupe.models.tokenizer.Tokenizer;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

final class UnreadableTest {
  @TempDir private Path model;

  @Test
  void files_thatAreDirectories_areSaidToBe() throws IOException {
    Path tokenizer = Files.createDirectory(model.resolve("tokenizer.json"));
    assertThatThrownBy(() -> Tokenizer.load(model))
        .isInstanceOf(CheckpointException.class)
        .hasMessage(tokenizer + " is a directory, expected a file.");
    Path weights = Files.createDirectory(model.resolve("model.safetensors"));
    assertThatThrownBy(() -> SafetensorsFile.open(weights))
        .isInstanceOf(CheckpointException.class)
        .hasMessage(weights + " is a directory, expected a file.");
    Path config = Files.createDirectory(model.resolve("config.json"));
    assertThatThrownBy(() -> ModelConfig.read(model))
        .isInstanceOf(CheckpointException.class)
        .hasMessage(config + " is a directory, expected a file.");
  }

  @Test
  void files_thatAreNotThere_areSaidNotToBe() {
    assertThatThrownBy(() -> JsonFile.read(model.resolve("x.json")))
        .hasMessage(model.resolve("x.json") + " does not exist.");
  }
}
