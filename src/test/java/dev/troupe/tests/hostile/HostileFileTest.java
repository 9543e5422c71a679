package dev.troupe.tests.hostile;

import java.io.IOException;
import java.util.Random;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/**
 * A seeded run over damaged copies of good files; {@link FuzzReaders} runs for as long as you like.
 */
@Timeout(value = 5, unit = TimeUnit.MINUTES)
class HostileFileTest {
  private static final long SEED = 20261123;
  private static final int DAMAGED_FILES = 400;

  @ParameterizedTest
  @EnumSource(HostileFile.class)
  void feed_damagedCopies_areReadOrRefused(HostileFile kind) throws IOException {
    byte[] good = kind.good();
    kind.read(good);
    Random random = new Random(SEED);
    for (int i = 0; i < DAMAGED_FILES; i++) {
      try {
        kind.feed(Damage.of(good, random));
      } catch (AssertionError e) {
        throw new AssertionError("seed " + SEED + ", file " + i + ": " + e.getMessage(), e);
      }
    }
  }
}
