package dev.troupe.rlhf.quickstart;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.troupe.rlhf.data.DataConfig;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class QuickstartFilesTest {
  private static final DataConfig EMPTY =
      new DataConfig(
          List.of(),
          List.of(),
          List.of(),
          List.of(),
          Optional.empty(),
          DataConfig.Format.PLAIN,
          64,
          0,
          DataConfig.TooLong.DROP);

  @Test
  void write_allKinds_makesOneSourceEach(@TempDir Path directory) throws IOException {
    DataConfig data = QuickstartFiles.write(directory, new QuickstartConfig(3, 5, 6, 7, 8), EMPTY);

    assertThat(Files.readAllLines(Path.of(data.pretraining().get(0).path()))).hasSize(5);
    assertThat(Files.readAllLines(Path.of(data.sft().get(0).path()))).hasSize(6);
    assertThat(Files.readAllLines(Path.of(data.preferences().get(0).path()))).hasSize(7);
    assertThat(Files.readAllLines(Path.of(data.prompts().get(0).path())))
        .hasSize(8)
        .allMatch(
            line -> line.startsWith("{\"prompt\":\"Customer: ") && line.contains("\\nClerk:"));
    assertThat(data.maxTokens()).isEqualTo(64);
  }

  @Test
  void write_corpusAlone_isWhatSftReads(@TempDir Path directory) throws IOException {
    DataConfig data = QuickstartFiles.write(directory, new QuickstartConfig(3, 5, 0, 0, 0), EMPTY);

    assertThat(data.sft()).isEqualTo(data.pretraining()).hasSize(1);
    assertThat(data.prompts()).isEmpty();
    assertThat(directory.resolve("prompts.jsonl")).doesNotExist();
  }

  @Test
  void config_negativeSizes_areReportedTogether() {
    assertThatThrownBy(() -> new QuickstartConfig(1, -1, 0, -2, 0))
        .hasMessage("corpus is -1, allowed: at least 0; preferences is -2, allowed: at least 0");
  }
}
