package dev.troupe.protocol.event;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.google.protobuf.UnknownFieldSet;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.time.Clock;
import java.time.Instant;
import java.time.ZoneOffset;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.stream.LongStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

final class EventLogTest {
  private static final Clock NOON =
      Clock.fixed(Instant.parse("2026-01-01T12:00:00Z"), ZoneOffset.UTC);

  @TempDir Path directory;

  @Test
  void append_givesBackWhatReaderReads() {
    Path file = directory.resolve("run").resolve(EventLog.FILE_NAME);
    try (EventLog log = EventLog.open(file, NOON)) {
      RunEvent written = log.append(notice("first"));
      log.append(notice("second"));
      // Visible before the log is closed.
      List<RunEvent> read = EventReader.readAll(file);
      assertThat(read).hasSize(2).startsWith(written);
      assertThat(read.get(1).getSequence()).isEqualTo(2);
      assertThat(read.get(1).getTimeMillis()).isEqualTo(NOON.millis());
      assertThat(read.get(1).getNotice().getText()).isEqualTo("second");
    }
  }

  @Test
  void open_again_continuesNumbering() {
    Path file = directory.resolve("events.pb");
    try (EventLog log = EventLog.open(file)) {
      log.append(notice("a"));
    }
    try (EventLog log = EventLog.open(file)) {
      assertThat(log.sequence()).isEqualTo(1);
      log.append(notice("b"));
    }
    assertThat(EventReader.readAll(file)).extracting(RunEvent::getSequence).containsExactly(1L, 2L);
  }

  @Test
  void open_afterCrashAtEveryByteOfLastRecord_cutsItAndSaysSo() throws IOException {
    Path whole = directory.resolve("whole.pb");
    long firstEnd;
    try (EventLog log = EventLog.open(whole)) {
      log.append(notice("kept"));
      firstEnd = Files.size(whole);
      log.append(notice("x".repeat(300)));
    }
    byte[] bytes = Files.readAllBytes(whole);
    for (int length = (int) firstEnd + 1; length < bytes.length; length++) {
      Path file = directory.resolve("torn-" + length + ".pb");
      Files.write(file, Arrays.copyOf(bytes, length));
      try (EventLog log = EventLog.open(file)) {
        log.append(notice("after"));
      }
      List<RunEvent> events = EventReader.readAll(file);
      assertThat(events).extracting(RunEvent::getSequence).containsExactly(1L, 2L, 3L);
      assertThat(events.get(1).getNotice().getSeverity()).isEqualTo("warning");
      assertThat(events.get(1).getNotice().getText())
          .contains(
              String.format(
                  Locale.ROOT, "incomplete and was cut off (%d bytes)", length - firstEnd));
      assertThat(events.get(2).getNotice().getText()).isEqualTo("after");
    }
  }

  @Test
  void open_pageOfZerosAtTheEnd_cutsIt() throws IOException {
    Path file = directory.resolve("events.pb");
    try (EventLog log = EventLog.open(file)) {
      log.append(notice("kept"));
    }
    // Larger than the reader's buffer: it must not spin.
    Files.write(file, new byte[1 << 20], StandardOpenOption.APPEND);
    assertThat(EventReader.readAll(file)).hasSize(1);
    EventLog.open(file).close();
    assertThat(EventReader.readAll(file)).hasSize(2);
  }

  @Test
  void open_damagedInTheMiddle_isRefusedAndLeftAlone() throws IOException {
    Path file = directory.resolve("events.pb");
    try (EventLog log = EventLog.open(file)) {
      log.append(notice("first"));
      log.append(notice("second"));
    }
    byte[] bytes = Files.readAllBytes(file);
    bytes[1] = (byte) 0xff;
    Files.write(file, bytes);
    assertThatThrownBy(() -> EventLog.open(file))
        .isInstanceOf(EventLogException.class)
        .hasMessageContaining(file + " is damaged at byte 0: expected event 1, found")
        .hasMessageEndingWith("Move the file away to go on without it.");
    assertThat(Files.readAllBytes(file)).isEqualTo(bytes);
    // The refusal released the lock.
    Files.delete(file);
    EventLog.open(file).close();
  }

  @Test
  void append_whatTheGuardRefuses_isNotWritten() {
    Path file = directory.resolve("events.pb");
    try (EventLog log = EventLog.open(file)) {
      log.append(notice("first"));
      log.guardedBy(
          () -> {
            throw new IllegalStateException("replaced");
          });
      assertThatThrownBy(() -> log.append(notice("second"))).hasMessage("replaced");
      log.guardedBy(() -> {});
      log.append(notice("third"));
    }
    assertThat(EventReader.readAll(file))
        .extracting(event -> event.getSequence() + event.getNotice().getText())
        .containsExactly("1first", "2third");
  }

  @Test
  void open_whileAnotherLogWrites_isRefused() {
    Path file = directory.resolve("events.pb");
    try (EventLog log = EventLog.open(file)) {
      log.append(notice("mine"));
      // A reader that comes and goes must not release the lock.
      EventReader.readAll(file);
      assertThatThrownBy(() -> EventLog.open(file))
          .isInstanceOf(EventLogException.class)
          .hasMessageContaining("is being written by another run");
    }
    EventLog.open(file).close();
  }

  @Test
  void append_fromManyThreads_numbersWithoutGaps() throws InterruptedException {
    Path file = directory.resolve("events.pb");
    List<Thread> threads = new ArrayList<>();
    try (EventLog log = EventLog.open(file)) {
      for (int t = 0; t < 4; t++) {
        Thread thread =
            new Thread(
                () -> {
                  for (int i = 0; i < 250; i++) {
                    log.append(notice("n".repeat(i)));
                  }
                });
        thread.start();
        threads.add(thread);
      }
      for (Thread thread : threads) {
        thread.join();
      }
    }
    assertThat(EventReader.readAll(file))
        .extracting(RunEvent::getSequence)
        .containsExactlyElementsOf(LongStream.rangeClosed(1, 1000).boxed().toList());
  }

  @Test
  void append_afterClose_isRefused() {
    EventLog log = EventLog.open(directory.resolve("events.pb"));
    log.close();
    log.close();
    assertThatThrownBy(() -> log.append(notice("late")))
        .isInstanceOf(IllegalStateException.class)
        .hasMessageContaining("is closed");
  }

  @Test
  void poll_missingFile_hasNoEventsUntilItAppears() {
    Path file = directory.resolve("events.pb");
    try (EventReader reader = EventReader.open(file)) {
      assertThat(reader.poll()).isEmpty();
      try (EventLog log = EventLog.open(file)) {
        log.append(notice("here"));
      }
      assertThat(reader.poll()).hasSize(1);
      assertThat(reader.poll()).isEmpty();
    }
  }

  @ParameterizedTest
  @ValueSource(ints = {1, 7, 4096, 300_000})
  void poll_whileBytesTrickleIn_returnsEachEventOnceAndWhole(int stride) throws IOException {
    Path source = directory.resolve("source.pb");
    List<RunEvent> written = new ArrayList<>();
    try (EventLog log = EventLog.open(source)) {
      // One event is larger than the reader's buffer.
      for (int length : new int[] {0, 1, 130, stride == 1 ? 200 : 700_000, 20_000, 5}) {
        written.add(log.append(notice("t".repeat(length))));
      }
    }
    byte[] bytes = Files.readAllBytes(source);
    Path file = directory.resolve("grows.pb");
    List<RunEvent> read = new ArrayList<>();
    try (OutputStream output = Files.newOutputStream(file);
        EventReader reader = EventReader.open(file)) {
      for (int offset = 0; offset < bytes.length; offset += stride) {
        output.write(bytes, offset, Math.min(stride, bytes.length - offset));
        output.flush();
        if (stride > 1000 || offset % 13 == 0 || offset < 400) {
          read.addAll(reader.poll());
        }
      }
      read.addAll(reader.poll());
      assertThat(reader.position()).isEqualTo(bytes.length);
    }
    assertThat(read).isEqualTo(written);
  }

  @Test
  void poll_tornTailRewrittenByNextWriter_readsTheNewBytes() throws IOException {
    Path file = directory.resolve("events.pb");
    try (EventLog log = EventLog.open(file)) {
      log.append(notice("kept"));
    }
    // Part of a record that says 10000 bytes: longer than what the next writer puts in its place.
    byte[] torn = new byte[1000];
    torn[0] = (byte) 0x90;
    torn[1] = 0x4e;
    Files.write(file, torn, StandardOpenOption.APPEND);
    try (EventReader reader = EventReader.open(file)) {
      assertThat(reader.poll()).hasSize(1);
      EventLog.open(file).close();
      assertThat(reader.poll())
          .extracting(e -> e.getNotice().getSeverity())
          .containsExactly("warning");
    }
  }

  @Test
  void poll_limit_returnsTheRestLater() {
    Path file = directory.resolve("events.pb");
    try (EventLog log = EventLog.open(file)) {
      for (int i = 0; i < 5; i++) {
        log.append(notice("n" + i));
      }
    }
    try (EventReader reader = EventReader.open(file)) {
      assertThat(reader.poll(2)).hasSize(2);
      assertThat(reader.sequence()).isEqualTo(2);
      assertThat(reader.poll(2)).hasSize(2);
      assertThat(reader.poll(2)).hasSize(1);
    }
  }

  @Test
  void poll_fileReplacedByShorterOne_isAnError() throws IOException {
    Path file = directory.resolve("events.pb");
    try (EventLog log = EventLog.open(file);
        EventReader reader = EventReader.open(file)) {
      log.append(notice("gone soon"));
      reader.poll();
      try (FileChannel channel = FileChannel.open(file, StandardOpenOption.WRITE)) {
        channel.truncate(1);
      }
      assertThatThrownBy(reader::poll)
          .isInstanceOf(EventLogException.class)
          .hasMessageContaining("has shrunk: 1 bytes");
    }
  }

  @Test
  void poll_eventOfALaterVersion_keepsWhatIsUnknown() throws IOException {
    Path file = directory.resolve("events.pb");
    UnknownFieldSet future =
        UnknownFieldSet.newBuilder()
            .addField(4711, UnknownFieldSet.Field.newBuilder().addVarint(42).build())
            .build();
    try (EventLog log = EventLog.open(file)) {
      log.append(notice("now").setUnknownFields(future));
      // An event kind that this version does not know at all.
      log.append(RunEvent.newBuilder().setUnknownFields(future));
    }
    List<RunEvent> events = EventReader.readAll(file);
    assertThat(events.get(0).getNotice().getText()).isEqualTo("now");
    assertThat(events.get(0).getUnknownFields()).isEqualTo(future);
    assertThat(events.get(1).getEventCase()).isEqualTo(RunEvent.EventCase.EVENT_NOT_SET);
  }

  @Test
  void open_lengthBeyondAnyEvent_isDamage() throws IOException {
    Path file = directory.resolve("events.pb");
    Files.write(file, ByteBuffer.allocate(5).putInt(-1).put((byte) 0x0f).array());
    assertThatThrownBy(() -> EventReader.readAll(file)).hasMessageContaining("damaged at byte 0");
  }

  private static RunEvent.Builder notice(String text) {
    return RunEvent.newBuilder().setNotice(Notice.newBuilder().setSeverity("info").setText(text));
  }
}
