package dev.troupe.engine.generation;

import static org.assertj.core.api.Assertions.assertThat;

import dev.troupe.models.torch.Lanes;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;

class ByteProductsTest {
  @Test
  void largestWeight_isTheWholeByteWhereTheProcessorAddsIn32Bits() throws IOException {
    Path flags = Path.of("/proc/cpuinfo");
    boolean adds =
        Files.exists(flags)
            && Files.readString(flags).contains(" avx512_vnni")
            && System.getenv("ONEDNN_MAX_CPU_ISA") == null;
    try (Lanes lanes = new Lanes(1)) {
      int largest = lanes.run(ByteProducts::largestWeight);
      assertThat(largest).isIn(adds ? List.of(127) : List.of(63, 127));
    }
  }
}
