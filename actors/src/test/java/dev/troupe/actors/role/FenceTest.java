package dev.troupe.actors.role;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatCode;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

final class FenceTest {
  @TempDir private Path run;

  @Test
  void everyDriver_hasANumberOfItsOwn_howeverManyTakeTheRunAtOnce() {
    List<Long> numbers =
        IntStream.range(0, 64)
            .parallel()
            .mapToObj(i -> Fence.take(run, "driver " + i).number())
            .sorted()
            .toList();
    assertThat(numbers)
        .containsExactlyElementsOf(IntStream.rangeClosed(1, 64).asLongStream().boxed().toList());
  }

  @Test
  void onlyTheNewest_mayWrite() {
    Fence first = Fence.take(run, "process 1 on a");
    assertThatCode(first::check).doesNotThrowAnyException();
    Fence second = Fence.take(run, "process 2 on b, since noon");
    assertThatThrownBy(first::check)
        .isInstanceOf(RunFilesException.class)
        .hasMessage(
            "nothing is written into "
                + run
                + " any more: this belongs to the run's driver 1, and driver 2 (process 2 on b,"
                + " since noon) has taken the run over");
    assertThatCode(second::check).doesNotThrowAnyException();
  }

  @Test
  void nodeOfADriverThatWasReplaced_writesNothing() throws Exception {
    Fence first = Fence.take(run, "one");
    RunFiles files = RunFiles.of(run).of(first.number());
    String place = run.resolve("checkpoints/a").toString();
    files.write(place, directory -> write(directory, "first"));
    Fence.take(run, "another");
    assertThatThrownBy(() -> files.write(place, directory -> write(directory, "late")))
        .isInstanceOf(RunFilesException.class)
        .hasMessageContaining("driver 2 (another) has taken the run over");
    assertThat(run.resolve("checkpoints/a/weights")).hasContent("first");
  }

  /** What it has written by then is whose it was, and is not told to be there. */
  @Test
  void nodeWhoseDriverIsReplacedWhileItWrites_fails() {
    RunFiles files = RunFiles.of(run).of(Fence.take(run, "one").number());
    assertThatThrownBy(
            () ->
                files.write(
                    run.resolve("checkpoints/a").toString(), at -> Fence.take(run, "another")))
        .isInstanceOf(RunFilesException.class)
        .hasMessageContaining("has taken the run over");
  }

  private static void write(Path directory, String text) {
    try {
      Files.writeString(directory.resolve("weights"), text);
    } catch (java.io.IOException e) {
      throw new java.io.UncheckedIOException(e);
    }
  }
}
