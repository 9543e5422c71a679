package dev.troupe.actors.pipeline;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class RunDirectoryTest {
  private static final RunIdentity SAME =
      new RunIdentity(Map.of("seed", "1"), Map.of("data.jsonl", "3 bytes"));

  @TempDir private Path path;

  @Test
  void create_emptyDirectory_keepsTheConfiguration() throws Exception {
    RunDirectory.create(path, "seed = 1\n", SAME);
    assertThat(path.resolve("config.conf")).hasContent("seed = 1\n");
  }

  @Test
  void create_directoryOfAnotherRun_isRefusedAndLeftAlone() throws Exception {
    RunDirectory.create(path, "seed = 1\n", SAME);
    assertThatThrownBy(() -> RunDirectory.create(path, "seed = 2\n", SAME))
        .isInstanceOf(PipelineException.class)
        .hasMessage(
            "the output directory "
                + path
                + " holds another run; go on with that one (--resume), name another one (--set"
                + " output=DIR) or remove it");
    assertThat(path.resolve("config.conf")).hasContent("seed = 1\n");
  }

  @Test
  void create_directoryWithOtherFiles_isRefused() throws Exception {
    Files.writeString(path.resolve("thesis.txt"), "dear to somebody");
    assertThatThrownBy(() -> RunDirectory.create(path, "", SAME))
        .hasMessageContaining("is not empty; name another one");
  }

  @Test
  void create_aFile_isRefused() throws Exception {
    Path file = Files.writeString(path.resolve("out"), "");
    assertThatThrownBy(() -> RunDirectory.create(file, "", SAME))
        .hasMessage(file + " is a file; name a directory for output");
  }

  @Test
  void resume_theSameRun_isTaken() {
    RunDirectory.create(path, "", SAME);
    assertThat(RunDirectory.resume(path, SAME).path()).isEqualTo(path);
  }

  @Test
  void resume_anotherConfigurationOrInput_namesAllThatDiffers() {
    RunDirectory.create(path, "", SAME);
    RunIdentity other =
        new RunIdentity(
            Map.of("seed", "2", "ppo.iterations", "7"), Map.of("data.jsonl", "4 bytes"));
    assertThatThrownBy(() -> RunDirectory.resume(path, other))
        .isInstanceOf(PipelineException.class)
        .hasMessage(
            "the run in "
                + path
                + " was started differently:\n"
                + "  ppo.iterations was not set, is 7\n"
                + "  seed was 1, is 2\n"
                + "  the input data.jsonl was 3 bytes, is 4 bytes\n"
                + "Resume it as it was started ("
                + path.resolve("config.conf")
                + " is its configuration), or start a new run in another directory");
  }

  @Test
  void resume_noRun_isRefused() {
    assertThatThrownBy(() -> RunDirectory.resume(path.resolve("none"), SAME))
        .hasMessage(
            "there is no run in "
                + path.resolve("none")
                + " to resume; leave --resume out to start one");
  }

  @Test
  void resume_aCompleteRun_isRefused() throws Exception {
    RunDirectory.create(path, "", SAME).writeSummary("{\"outcome\":\"completed\"}");
    assertThatThrownBy(() -> RunDirectory.resume(path, SAME))
        .hasMessage("the run in " + path + " is complete; there is nothing to resume");
  }
}
