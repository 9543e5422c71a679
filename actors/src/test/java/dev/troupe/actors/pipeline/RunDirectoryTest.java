package dev.troupe.actors.pipeline;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class RunDirectoryTest {
  @TempDir private Path path;

  @Test
  void create_emptyDirectory_keepsTheConfiguration() throws Exception {
    RunDirectory.create(path, "seed = 1\n");
    assertThat(path.resolve("config.conf")).hasContent("seed = 1\n");
  }

  @Test
  void create_directoryOfAnotherRun_isRefusedAndLeftAlone() throws Exception {
    RunDirectory.create(path, "seed = 1\n");
    assertThatThrownBy(() -> RunDirectory.create(path, "seed = 2\n"))
        .isInstanceOf(PipelineException.class)
        .hasMessage(
            "the output directory "
                + path
                + " holds another run; name another one (--set output=DIR) or remove it");
    assertThat(path.resolve("config.conf")).hasContent("seed = 1\n");
  }

  @Test
  void create_directoryWithOtherFiles_isRefused() throws Exception {
    Files.writeString(path.resolve("thesis.txt"), "dear to somebody");
    assertThatThrownBy(() -> RunDirectory.create(path, ""))
        .hasMessageContaining("is not empty; name another one");
  }

  @Test
  void create_aFile_isRefused() throws Exception {
    Path file = Files.writeString(path.resolve("out"), "");
    assertThatThrownBy(() -> RunDirectory.create(file, ""))
        .hasMessage(file + " is a file; name a directory for output");
  }
}
