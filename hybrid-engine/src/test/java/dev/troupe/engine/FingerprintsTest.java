package dev.troupe.engine;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.constraints.IntRange;
import net.jqwik.api.constraints.Size;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class FingerprintsTest {
  @TempDir Path directory;

  @Property
  void of_anotherBitIsAnother(
      @ForAll @Size(min = 1, max = 50) float[] values,
      @ForAll @IntRange(min = 0, max = 49) int at) {
    float[] other = values.clone();
    int place = at % values.length;
    other[place] = Float.intBitsToFloat(Float.floatToRawIntBits(values[place]) ^ 1);
    assertThat(Fingerprints.of(other)).isNotEqualTo(Fingerprints.of(values));
    assertThat(Fingerprints.of(values.clone())).isEqualTo(Fingerprints.of(values));
  }

  @Test
  void of_signOfZero_andOrder_count() {
    assertThat(Fingerprints.of(new float[] {0f})).isNotEqualTo(Fingerprints.of(new float[] {-0f}));
    assertThat(Fingerprints.of(new float[] {1, 2}))
        .isNotEqualTo(Fingerprints.of(new float[] {2, 1}));
  }

  @Test
  void ofModel_isOfConfigurationAndWeights() throws IOException {
    Path config = Files.writeString(directory.resolve("config.json"), "{}");
    Path weights = Files.writeString(directory.resolve("model.safetensors"), "weights");
    String before = Fingerprints.ofModel(directory);
    assertThat(before).startsWith("9 bytes, ");
    Files.writeString(directory.resolve("README.md"), "of no weight");
    assertThat(Fingerprints.ofModel(directory)).isEqualTo(before);
    Files.writeString(weights, "weightz");
    assertThat(Fingerprints.ofModel(directory)).isNotEqualTo(before).startsWith("9 bytes, ");
    Files.writeString(weights, "weights");
    Files.writeString(config, "{ }");
    assertThat(Fingerprints.ofModel(directory)).startsWith("10 bytes, ");
  }
}
