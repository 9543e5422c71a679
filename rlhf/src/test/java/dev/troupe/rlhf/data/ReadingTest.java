package dev.troupe.rlhf.data;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.io.OutputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicLong;
import java.util.zip.GZIPOutputStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Small files of very many records: bounded, told of, and ended when they are told to. */
class ReadingTest {
  @TempDir private Path directory;

  /** Two bytes and a half of file to a record; never read to its end. */
  private Path bomb(int records) throws IOException {
    Path bomb = directory.resolve("bomb.jsonl.gz");
    byte[] lines = "{\"text\": \"a\"}\n".repeat(10_000).getBytes(StandardCharsets.UTF_8);
    try (OutputStream out = new GZIPOutputStream(Files.newOutputStream(bomb), 1 << 16)) {
      for (int i = 0; i < records; i += 10_000) {
        out.write(lines);
      }
    }
    return bomb;
  }

  @Test
  void read_moreRecordsThanTheBound_endsThere() throws IOException {
    Path bomb = bomb(2_000_000);
    assertThatThrownBy(
            () ->
                RecordFile.read(
                    SourceConfig.of(bomb.toString()), 50_000, 1024, Reading.unwatched()))
        .isInstanceOf(DataException.class)
        .hasMessage(
            bomb
                + ":50001: is record 50001, and data.max-records is 50000; read fewer of this source"
                + " (limit), or raise the bound if the memory holds them");
    SourceConfig limited =
        new SourceConfig(
            bomb.toString(), Optional.empty(), Shape.AUTO, Optional.of(50_000), Optional.empty());
    assertThat(RecordFile.read(limited, 50_000, 1024, Reading.unwatched())).hasSize(50_000);
  }

  @Test
  void read_moreTextThanTheBound_endsThere() throws IOException {
    Path bomb = bomb(100_000);
    assertThatThrownBy(
            () ->
                RecordFile.read(SourceConfig.of(bomb.toString()), 1 << 30, 1, Reading.unwatched()))
        .hasMessage(
            bomb
                + ": has more than 1 MiB of text, not compressed (data.max-megabytes); read fewer"
                + " records (limit), or raise the bound if the heap holds four times as much"
                + " (TROUPE_HEAP)");
  }

  @Test
  void read_records_tellsEveryFiveSeconds() throws IOException {
    AtomicLong clock = new AtomicLong();
    List<String> lines = new ArrayList<>();
    // Each look at the clock is a second later.
    Reading reading = new Reading(lines::add, () -> false, () -> clock.getAndAdd(1_000_000_000));
    Path bomb = bomb(10_000);
    RecordFile.read(SourceConfig.of(bomb.toString()), 10_000, 1, reading);
    assertThat(lines).hasSizeBetween(8, 12);
    assertThat(lines.get(1)).matches("reading .*bomb.jsonl.gz: [12],\\d{3} records so far");
  }

  @Test
  void read_cancelled_endsAtOnce() throws IOException {
    AtomicInteger asked = new AtomicInteger();
    Reading reading = new Reading(line -> {}, () -> asked.incrementAndGet() > 10);
    Path bomb = bomb(500_000);
    assertThatThrownBy(
            () -> RecordFile.read(SourceConfig.of(bomb.toString()), 1_000_000, 1024, reading))
        .isInstanceOf(Reading.Cancelled.class)
        .hasMessage("cancelled while the data were read");
    assertThat(asked).hasValue(11);
  }

  @Test
  void config_bounds_arePositive() {
    assertThatThrownBy(() -> bounded(0, 1)).hasMessage("max-records is 0, allowed: at least 1");
    assertThatThrownBy(() -> bounded(1, -1)).hasMessage("max-megabytes is -1, allowed: at least 0");
  }

  @Test
  void config_withoutABoundOnText_followsTheHeap() {
    assertThat(DataConfig.megabytes(7, 1L << 40)).isEqualTo(7);
    assertThat(DataConfig.megabytes(0, 2L << 30)).isEqualTo(512);
    assertThat(DataConfig.megabytes(0, 8L << 30)).isEqualTo(2048);
    assertThat(DataConfig.megabytes(0, 1000)).isEqualTo(1);
  }

  private static DataConfig bounded(int records, int megabytes) {
    return new DataConfig(
        List.of(),
        List.of(),
        List.of(),
        List.of(),
        List.of(),
        Optional.empty(),
        DataConfig.Format.AUTO,
        Optional.empty(),
        0,
        0,
        DataConfig.TooLong.DROP,
        records,
        megabytes);
  }
}
