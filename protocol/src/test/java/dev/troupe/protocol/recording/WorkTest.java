package dev.troupe.protocol.recording;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.nio.file.Path;
import jdk.jfr.Recording;
import jdk.jfr.consumer.RecordedEvent;
import jdk.jfr.consumer.RecordingFile;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Flight Recorder sees what was done, also where it failed. */
final class WorkTest {
  @TempDir private Path directory;

  @Test
  void work_isAnEvent() throws Exception {
    Path file = directory.resolve("work.jfr");
    try (Recording recording = new Recording()) {
      recording.enable("troupe.Work").withoutThreshold();
      recording.start();
      assertThat(Work.<Integer>record("policy", "flip", () -> 3)).isEqualTo(3);
      assertThatThrownBy(
              () ->
                  Work.<Integer>record(
                      "critic",
                      "train",
                      () -> {
                        throw new IllegalStateException("no");
                      }))
          .hasMessage("no");
      recording.stop();
      recording.dump(file);
    }
    assertThat(RecordingFile.readAllEvents(file))
        .filteredOn(event -> event.getEventType().getName().equals("troupe.Work"))
        .extracting(WorkTest::shown)
        .containsExactly("policy flip", "critic train");
  }

  private static String shown(RecordedEvent event) {
    assertThat(event.getDuration()).isPositive();
    return event.getString("who") + " " + event.getString("what");
  }
}
