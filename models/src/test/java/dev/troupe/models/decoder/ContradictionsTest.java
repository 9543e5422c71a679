package dev.troupe.models.decoder;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.troupe.models.Golden;
import dev.troupe.models.checkpoint.DType;
import dev.troupe.models.checkpoint.JsonFile;
import dev.troupe.models.checkpoint.ModelConfig;
import dev.troupe.models.export.HuggingFaceExport;
import dev.troupe.models.peft.Adapter;
import dev.troupe.models.torch.Lanes;
import dev.troupe.protocol.data.Storage;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.stream.Stream;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * Checkpoints that say a thing twice, or in an unusual place (make_contradictions.py): the logits
 * are those of transformers 5.24 and peft 0.21, as published, and exported again.
 */
final class ContradictionsTest {
  private static final double TOLERANCE = 1e-4;

  @TempDir private Path directory;

  static List<String> names() throws IOException {
    try (Stream<Path> found = Files.list(Golden.path("contradictions"))) {
      return found.map(path -> path.getFileName().toString()).sorted().toList();
    }
  }

  @ParameterizedTest
  @MethodSource("names")
  void logits_equalTransformers_asPublishedAndExported(String name) {
    Path path = Golden.path("contradictions/" + name);
    JsonNode golden = Golden.json("contradictions/" + name + "/expected.json");
    Optional<Path> adapter = Optional.of(path.resolve("adapter")).filter(Files::exists);
    Path output = directory.resolve("out");
    copyTokenizer(path);
    HuggingFaceExport.write(
        directory.resolve("base"), adapter, output, DType.F32, 1L << 30, (tensor, done, all) -> {});
    ObjectNode exported = JsonFile.read(output.resolve("config.json"));
    assertThat(exported.has("text_config")).isFalse();
    double published = worst(path, adapter, golden);
    double again = worst(output, Optional.empty(), golden);
    System.out.printf(Locale.ROOT, "%s: %.2e, exported %.2e%n", name, published, again);
    assertThat(published).isLessThanOrEqualTo(TOLERANCE);
    assertThat(again).isLessThanOrEqualTo(TOLERANCE);
  }

  /** The directory with any tokenizer, which an export takes along. */
  private void copyTokenizer(Path path) {
    Path base = directory.resolve("base");
    try {
      Files.createDirectory(base);
      for (String file : List.of("config.json", "model.safetensors")) {
        Files.copy(path.resolve(file), base.resolve(file));
      }
      for (String file : List.of("tokenizer.json", "tokenizer_config.json")) {
        Files.copy(Golden.path("gqa-tied-bf16").resolve(file), base.resolve(file));
      }
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  private static double worst(Path path, Optional<Path> directory, JsonNode golden) {
    ModelConfig config = ModelConfig.read(path);
    Optional<Adapter> adapter = directory.map(where -> Adapter.read(where, config));
    return Lanes.shared()
        .run(
            () -> {
              try (BaseModel base =
                  adapter
                      .map(found -> BaseModel.load(path, Storage.FP32, Optional.empty(), found))
                      .orElseGet(() -> BaseModel.load(path))) {
                ParameterLayout layout =
                    adapter
                        .map(
                            found ->
                                ParameterLayout.besideOwnHead(base.config(), found.config(), false))
                        .orElseGet(() -> ParameterLayout.bare(base.config(), false));
                float[] parameters = new float[layout.size()];
                adapter.ifPresent(found -> layout.take(parameters, found));
                return FamilyGoldenTest.worst(base, layout, parameters, golden, "logits");
              }
            });
  }
}
