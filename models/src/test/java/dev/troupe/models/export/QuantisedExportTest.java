package dev.troupe.models.export;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.troupe.models.Golden;
import dev.troupe.models.checkpoint.Checkpoint;
import dev.troupe.models.checkpoint.DType;
import dev.troupe.models.checkpoint.JsonFile;
import dev.troupe.models.export.QuantisedExport.Layer;
import dev.troupe.models.export.QuantisedExport.Request;
import dev.troupe.models.quantisation.QuantisationError;
import dev.troupe.models.quantisation.Uniform;
import dev.troupe.protocol.data.Quantisation;
import dev.troupe.protocol.data.Storage;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** What is written in four and eight bits is what bitsandbytes made of the same weights. */
final class QuantisedExportTest {
  private static final ExportListener NOBODY = (tensor, done, total) -> {};

  @TempDir private Path directory;

  /** A model of the golden files, with a tokenizer that an export takes along. */
  private Path model(String name) throws IOException {
    Path model = directory.resolve("model");
    Files.createDirectory(model);
    Golden.copy("quantised/" + name + "/source", model);
    for (String file : List.of("tokenizer.json", "tokenizer_config.json")) {
      Files.copy(Golden.path("gqa-tied-bf16").resolve(file), model.resolve(file));
    }
    return model;
  }

  private static Request request(Storage storage, boolean doubled) {
    return new Request(new Quantisation(storage, 64, doubled), Optional.empty(), 1L << 30, false);
  }

  /**
   * Bytes of every tensor but the states, which are JSON of other blanks; scales in eight bits may
   * be of another code where bitsandbytes' table for CPUs is too coarse (make_blocks.py): then the
   * numbers are a rounding apart.
   */
  @ParameterizedTest
  @CsvSource({
    "bnb-nf4, NF4, true",
    "bnb-fp4, FP4, false",
    "bnb-int8, INT8, false",
    "bnb-nf4-gpt2, NF4, false"
  })
  void written_isWhatBitsandbytesWrote(String name, Storage storage, boolean doubled)
      throws IOException {
    Path output = directory.resolve("out");
    List<Layer> layers =
        QuantisedExport.write(model(name), output, request(storage, doubled), NOBODY);
    assertThat(layers).hasSizeBetween(4, 7);
    JsonNode expected = Golden.json("quantised/" + name + "/config.json");
    ObjectNode config = JsonFile.read(output.resolve("config.json"));
    assertThat(config.path("quantization_config")).isEqualTo(quantisation(expected, config));
    int other = 0;
    int numbers = 0;
    try (Checkpoint written = Checkpoint.open(output);
        Checkpoint peers = Checkpoint.open(Golden.path("quantised/" + name))) {
      assertThat(written.names()).isEqualTo(peers.names());
      for (String tensor : peers.names()) {
        float[] found = written.floats(tensor);
        float[] own = peers.floats(tensor);
        assertThat(written.shape(tensor)).isEqualTo(peers.shape(tensor));
        for (int i = 0; i < own.length; i++) {
          numbers++;
          other += found[i] == own[i] ? 0 : 1;
          assertThat(found[i]).isCloseTo(own[i], within(doubled ? 4e-3f : 0f));
        }
        for (Layer layer : layers) {
          if (layer.tensor().equals(tensor)) {
            QuantisationError error = layer.errors().values().iterator().next();
            assertThat(error.relative()).isBetween(1e-3, storage == Storage.INT8 ? 0.02 : 0.2);
          }
        }
      }
    }
    System.out.printf(Locale.ROOT, "%s: %d of %d numbers differ%n", name, other, numbers);
    assertThat(other).isLessThanOrEqualTo(doubled ? numbers / 50 : 0);
  }

  /** The type that products are in is the caller's; all else is transformers' own. */
  private static JsonNode quantisation(JsonNode expected, ObjectNode found) {
    ObjectNode own = expected.path("quantization_config").deepCopy();
    own.set(
        "bnb_4bit_compute_dtype", found.path("quantization_config").path("bnb_4bit_compute_dtype"));
    return own;
  }

  @Test
  void inShards_readsTheSame() throws IOException {
    Path model = model("bnb-nf4");
    Quantisation how = new Quantisation(Storage.NF4, 64, true);
    QuantisedExport.write(model, directory.resolve("one"), request(Storage.NF4, true), NOBODY);
    QuantisedExport.write(
        model,
        directory.resolve("many"),
        new Request(how, Optional.empty(), 12_000, false),
        NOBODY);
    try (Stream<Path> files = Files.list(directory.resolve("many"));
        Checkpoint one = Checkpoint.open(directory.resolve("one"));
        Checkpoint many = Checkpoint.open(directory.resolve("many"))) {
      assertThat(files.filter(file -> file.toString().endsWith(".safetensors")).count())
          .isGreaterThan(2);
      for (String name : one.names()) {
        assertThat(many.floats(name)).as(name).isEqualTo(one.floats(name));
      }
    }
  }

  /** Merged again it is a plain model: its configuration says nothing of blocks any more. */
  @Test
  void exportedAsNumbers_isNoLongerQuantised() throws IOException {
    Path model = model("bnb-nf4");
    Path small = directory.resolve("small");
    QuantisedExport.write(model, small, request(Storage.NF4, true), NOBODY);
    Path plain = directory.resolve("plain");
    HuggingFaceExport.write(small, Optional.empty(), plain, DType.F32, 1L << 30, NOBODY);
    assertThat(JsonFile.read(plain.resolve("config.json")).has("quantization_config")).isFalse();
    try (Checkpoint one = Checkpoint.open(small);
        Checkpoint other = Checkpoint.open(plain)) {
      for (String name : one.names()) {
        assertThat(other.floats(name)).as(name).isEqualTo(one.floats(name));
      }
    }
  }

  @Test
  void compared_finerScalesLoseLess() throws IOException {
    List<Layer> layers =
        QuantisedExport.measure(
            model("bnb-nf4"),
            new Request(new Quantisation(Storage.NF4, 64, true), Optional.empty(), 1, true),
            NOBODY);
    assertThat(layers).hasSize(7);
    for (Layer layer : layers) {
      assertThat(layer.errors().keySet())
          .contains("NF4 in blocks of 64, scales in eight bits", "int4 zero point, blocks of 64")
          .hasSize(16);
      double block = layer.errors().get("int4 absmax, blocks of 64").relative();
      double channel = layer.errors().get("int4 absmax, per channel").relative();
      double tensor = layer.errors().get("int4 absmax, per tensor").relative();
      assertThat(block).isLessThanOrEqualTo(channel);
      assertThat(channel).isLessThan(tensor);
      assertThat(layer.errors().get("NF4 in blocks of 64, scales in float32").relative())
          .isLessThan(block);
    }
  }

  /** By hand: steps of 1 by absmax, of 0.5 with a zero point at 6; zero stays zero. */
  @Test
  void uniform_byHand() {
    float[] numbers = {-3, 0, 1.4f, 0.6f};
    assertThat(new Uniform(3, false, Uniform.Share.TENSOR, 4).numbers(numbers, 2))
        .containsExactly(-3, 0, 1, 1);
    float[] skewed = {-3, 0, 0.5f, 0.2f};
    assertThat(new Uniform(3, true, Uniform.Share.TENSOR, 4).numbers(skewed, 2))
        .containsExactly(-3, 0, 0.5f, 0);
    assertThat(new Uniform(3, false, Uniform.Share.CHANNEL, 4).numbers(numbers, 2))
        .containsExactly(new float[] {-3, 0, 1.4f, 1.4f / 3}, within(1e-6f));
    assertThat(QuantisationError.of(new float[] {3, 4}, new float[] {3, 3}))
        .isEqualTo(new QuantisationError(0.2, 1));
  }

  @Test
  void sizeThatIsNoMultipleOfTheBlock_isNamed() throws IOException {
    Path model = model("bnb-nf4");
    Request request =
        new Request(new Quantisation(Storage.NF4, 4096, true), Optional.empty(), 1L << 30, false);
    assertThatThrownBy(
            () -> QuantisedExport.write(model, directory.resolve("out"), request, NOBODY))
        .hasMessageContaining(
            "weight' of shape [32, 64] has 2048 numbers, which are no multiple of a block of 4096."
                + " Let --block-size be a divisor, or --storage be int8.");
    assertThat(directory.resolve("out")).doesNotExist();
  }
}
