package dev.troupe.actors.pipeline;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledOnOs;
import org.junit.jupiter.api.condition.OS;
import org.junit.jupiter.api.io.TempDir;

final class DiskNeedTest {
  @Test
  @EnabledOnOs(OS.LINUX)
  void output_whereTheKernelStoresNothing_cannotBeWritten() {
    assertThat(DiskNeed.problem(Path.of("/proc/x"), 1))
        .hasValueSatisfying(
            problem ->
                assertThat(problem).startsWith("the output directory /proc/x cannot be written: "));
  }

  @Test
  void output_withRoom_isNoProblem(@TempDir Path directory) {
    assertThat(DiskNeed.problem(directory.resolve("a/b"), 1)).isEmpty();
    assertThat(DiskNeed.problem(directory.resolve("a/b"), Long.MAX_VALUE))
        .hasValueSatisfying(problem -> assertThat(problem).startsWith("too little room on disk"));
  }
}
