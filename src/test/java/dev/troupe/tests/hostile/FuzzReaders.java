package dev.troupe.tests.hostile;

import com.code_intelligence.jazzer.junit.FuzzTest;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import org.junit.jupiter.api.BeforeAll;

/** Coverage-guided fuzzing with Jazzer, one reader at a time; not part of the build, see docs. */
class FuzzReaders {
  private static final String DURATION = "10m";

  /** What a first use allocates is not the file's doing. */
  @BeforeAll
  static void readGoodFiles() throws IOException {
    for (HostileFile kind : HostileFile.values()) {
      kind.read(kind.good());
    }
  }

  @FuzzTest(maxDuration = DURATION)
  void safetensors(byte[] bytes) {
    HostileFile.SAFETENSORS.feed(bytes);
  }

  /** The header alone, so that the fuzzer need not guess its length. */
  @FuzzTest(maxDuration = DURATION)
  void safetensorsHeader(byte[] header) {
    ByteBuffer file = ByteBuffer.allocate(8 + header.length + 64).order(ByteOrder.LITTLE_ENDIAN);
    HostileFile.SAFETENSORS.feed(file.putLong(header.length).put(header).array());
  }

  @FuzzTest(maxDuration = DURATION)
  void config(byte[] bytes) {
    HostileFile.CONFIG.feed(bytes);
  }

  @FuzzTest(maxDuration = DURATION)
  void adapterConfig(byte[] bytes) {
    HostileFile.ADAPTER_CONFIG.feed(bytes);
  }

  @FuzzTest(maxDuration = DURATION)
  void tokenizer(byte[] bytes) {
    HostileFile.TOKENIZER.feed(bytes);
  }

  @FuzzTest(maxDuration = DURATION)
  void chatTemplate(byte[] bytes) {
    HostileFile.CHAT_TEMPLATE.feed(bytes);
  }

  @FuzzTest(maxDuration = DURATION)
  void records(byte[] bytes) {
    HostileFile.RECORDS.feed(bytes);
  }
}
