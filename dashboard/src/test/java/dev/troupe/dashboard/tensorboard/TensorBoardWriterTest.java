package dev.troupe.dashboard.tensorboard;

import static org.assertj.core.api.Assertions.assertThat;

import dev.troupe.dashboard.tensorboard.TensorBoardProto.Event;
import dev.troupe.protocol.event.EventLog;
import dev.troupe.protocol.event.RunEvent;
import dev.troupe.protocol.event.StageCompleted;
import dev.troupe.protocol.event.StepCompleted;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Clock;
import java.time.Instant;
import java.time.ZoneOffset;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

final class TensorBoardWriterTest {
  private static final Clock CLOCK =
      Clock.fixed(Instant.ofEpochSecond(1_767_268_800L, 500_000_000L), ZoneOffset.UTC);

  @TempDir Path directory;

  /** CRC-32C of "123456789" is e3069283 (RFC 3720 and every table of check values). */
  @Test
  void maskedCrc_checkValue_rotatedAndShifted() {
    byte[] digits = "123456789".getBytes(StandardCharsets.US_ASCII);
    int rotated = (0xe3069283 >>> 15) | (0xe3069283 << 17);
    assertThat(TfRecord.maskedCrc(digits, 9)).isEqualTo(rotated + 0xa282ead8);
    // CRC-32C of 32 zero bytes is 8a9136aa (RFC 3720, B.4).
    assertThat(TfRecord.maskedCrc(new byte[40], 32))
        .isEqualTo(Integer.rotateRight(0x8a9136aa, 15) + 0xa282ead8);
  }

  @Test
  void record_ofFourBytes_isFramed() throws IOException {
    ByteArrayOutputStream output = new ByteArrayOutputStream();
    TfRecord.write(output, new byte[] {1, 2, 3, 4});
    String hex = HexFormat.of().formatHex(output.toByteArray());
    assertThat(hex).hasSize(2 * (8 + 4 + 4 + 4)).startsWith("0400000000000000");
    assertThat(hex.substring(24, 32)).isEqualTo("01020304");
  }

  @Test
  void start_onARun_writesItsScalars() throws IOException {
    try (EventLog log = EventLog.open(directory.resolve(EventLog.FILE_NAME), CLOCK);
        TensorBoardWriter writer = TensorBoardWriter.start(directory)) {
      log.append(step(1, 0.5));
      log.append(step(2, 0.25));
      log.append(
          RunEvent.newBuilder()
              .setStageCompleted(
                  StageCompleted.newBuilder().setStage("ppo").putResults("winRate", 0.9)));
      assertThat(writer).isNotNull();
    }
    byte[] first = Files.readAllBytes(file());
    List<Event> events = read(first);
    assertThat(events.get(0).getFileVersion()).isEqualTo("brain.Event:2");
    assertThat(events.subList(1, 4)).extracting(Event::getStep).containsExactly(1L, 2L, 2L);
    assertThat(events.get(1).getWallTime()).isEqualTo(1_767_268_800.5);
    assertThat(events.get(1).getSummary().getValueList())
        .extracting(value -> value.getTag() + "=" + value.getSimpleValue())
        .containsExactly("ppo/score=0.5", "ppo/seconds/train=2.0");
    assertThat(events.get(3).getSummary().getValue(0).getTag()).isEqualTo("ppo/result/winRate");

    // Attaching again writes the same file, not a second one with the same scalars.
    TensorBoardWriter.start(directory).close();
    assertThat(Files.readAllBytes(file())).isEqualTo(first);
  }

  @Test
  void stepsDoneAgain_replaceThoseOfTheStoppedRun() throws IOException {
    try (EventLog log = EventLog.open(directory.resolve(EventLog.FILE_NAME), CLOCK);
        TensorBoardWriter writer = TensorBoardWriter.start(directory)) {
      log.append(step("sft", 3, 0.125));
      log.append(step(1, 0.5));
      log.append(step(2, 0.25));
      log.append(step(3, 0.75));
      log.append(step(2, 1));
      log.append(step(3, 2));
      assertThat(writer).isNotNull();
    }
    assertThat(read(Files.readAllBytes(file())).stream().skip(1))
        .extracting(
            event -> event.getStep() + ":" + event.getSummary().getValue(0).getSimpleValue())
        .containsExactly("3:0.125", "1:0.5", "2:1.0", "3:2.0");
  }

  @Test
  void whatIsNotFinite_isLeftOut() throws IOException {
    try (EventLog log = EventLog.open(directory.resolve(EventLog.FILE_NAME), CLOCK);
        TensorBoardWriter writer = TensorBoardWriter.start(directory)) {
      log.append(step(1, Double.NaN));
      log.append(step(2, 0.25));
      assertThat(writer).isNotNull();
    }
    assertThat(read(Files.readAllBytes(file())).stream().skip(1))
        .flatExtracting(event -> event.getSummary().getValueList())
        .extracting(value -> value.getTag() + "=" + value.getSimpleValue())
        .containsExactly("ppo/seconds/train=2.0", "ppo/score=0.25", "ppo/seconds/train=2.0");
  }

  private Path file() throws IOException {
    try (Stream<Path> files = Files.list(directory.resolve("tensorboard"))) {
      List<Path> all = files.toList();
      assertThat(all).hasSize(1);
      assertThat(all.get(0).getFileName().toString()).startsWith("events.out.tfevents.1767268800.");
      return all.get(0);
    }
  }

  private static RunEvent.Builder step(long step, double score) {
    return step("ppo", step, score);
  }

  private static RunEvent.Builder step(String stage, long step, double score) {
    return RunEvent.newBuilder()
        .setStepCompleted(
            StepCompleted.newBuilder()
                .setStage(stage)
                .setStep(step)
                .putMetrics("score", score)
                .putPhaseSeconds("train", 2));
  }

  /** Reads the framing back, each checksum checked. */
  private static List<Event> read(byte[] bytes) throws IOException {
    List<Event> events = new ArrayList<>();
    ByteBuffer buffer = ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN);
    while (buffer.hasRemaining()) {
      byte[] length = new byte[8];
      buffer.get(length);
      assertThat(buffer.getInt()).isEqualTo(TfRecord.maskedCrc(length, 8));
      byte[] event =
          new byte[(int) ByteBuffer.wrap(length).order(ByteOrder.LITTLE_ENDIAN).getLong()];
      buffer.get(event);
      assertThat(buffer.getInt()).isEqualTo(TfRecord.maskedCrc(event, event.length));
      events.add(Event.parseFrom(event));
    }
    return events;
  }
}
