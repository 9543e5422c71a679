package dev.troupe.actors.pipeline;

import static org.assertj.core.api.Assertions.assertThat;

import dev.troupe.models.checkpoint.DType;
import dev.troupe.models.checkpoint.DurableFiles;
import dev.troupe.models.checkpoint.SafetensorsWriter;
import dev.troupe.models.checkpoint.TensorData;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import java.util.Set;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Bytes reach the disk before their name does, and the name before anybody goes on. */
class DurabilityTest {
  @TempDir Path directory;
  private final RecordingFiles files = new RecordingFiles();
  private Path run;

  private record State(long step) {}

  @BeforeEach
  void watch() throws IOException {
    run = files.wrapPath(Files.createDirectory(directory.resolve("run")));
  }

  private void assertDurable(String... names) {
    assertThat(files.faults()).isEmpty();
    assertThat(files.named())
        .extracting(name -> directory.resolve("run").relativize(name) + "")
        .containsExactly(names);
  }

  @Test
  void text() throws IOException {
    DurableFiles.write(run.resolve("identity.json"), "{}");
    DurableFiles.write(run.resolve("identity.json"), "{ }");
    assertDurable("identity.json", "identity.json");
  }

  @Test
  void weights() {
    SafetensorsWriter.write(
        run.resolve("w.safetensors"),
        Map.of("w", TensorData.of(new float[] {1, 2, 3}, 3)),
        DType.F32);
    assertDurable("w.safetensors");
  }

  /** With what the roles wrote, and what the run itself adds. */
  @Test
  void checkpoint() throws IOException {
    RunCheckpoints checkpoints = new RunCheckpoints(run, new PipelineConfig.Checkpointing(1, 2));
    Path writing = files.wrapPath(Path.of(checkpoints.begin("ppo", 1)));
    for (String role : new String[] {"policy", "critic"}) {
      Files.createDirectory(writing.resolve(role));
      // As somebody would who forgot to force it.
      Files.writeString(writing.resolve(role).resolve("engine_state"), role);
    }
    checkpoints.commit("ppo", 1, new State(1), Set.of());
    assertDurable("checkpoints/ppo/00000001");
  }

  /** The watching itself: each of the three is found out. */
  @Test
  void whatIsNotForced_isFoundOut() throws IOException {
    Path part = run.resolve("a.part");
    Files.writeString(part, "a");
    DurableFiles.rename(part, run.resolve("a"));
    assertThat(files.faults()).singleElement().asString().contains("/a is named while  is not");
    DurableFiles.sync(run.resolve("a"));
    Files.move(run.resolve("a"), run.resolve("b"));
    assertThat(files.faults()).hasSize(2).last().asString().endsWith("run are not forced");
  }
}
