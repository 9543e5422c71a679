package dev.troupe.models.decoder;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import dev.troupe.models.Golden;
import dev.troupe.models.checkpoint.Checkpoint;
import dev.troupe.models.checkpoint.CheckpointWriter;
import dev.troupe.models.checkpoint.DType;
import dev.troupe.models.checkpoint.TensorData;
import dev.troupe.models.peft.Adapter;
import dev.troupe.models.peft.WeightChange;
import dev.troupe.models.torch.Handle;
import dev.troupe.models.torch.KernelModule;
import dev.troupe.models.torch.Lanes;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.stream.Stream;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * Every family's golden checkpoint: the training path's logits are those of transformers, frozen
 * and with all weights trained, and what full tuning writes is what it read.
 */
final class FamilyGoldenTest {
  private static final double TOLERANCE = 1e-4;

  @TempDir private Path directory;

  static List<String> families() throws IOException {
    try (Stream<Path> found = Files.list(Golden.path("families"))) {
      return found.map(path -> path.getFileName().toString()).sorted().toList();
    }
  }

  @ParameterizedTest
  @MethodSource("families")
  void logits_equalTransformers(String family) {
    JsonNode golden = Golden.json("families/" + family + "/expected.json");
    Lanes.shared()
        .run(
            () -> {
              try (BaseModel base = BaseModel.load(Golden.path("families/" + family))) {
                ParameterLayout bare = ParameterLayout.bare(base.config(), false);
                ParameterLayout full = ParameterLayout.full(base.config(), false);
                double frozen = worst(base, bare, new float[0], golden, "logits");
                double trained = worst(base, full, full.copyOf(base, 1), golden, "logits");
                System.out.printf(
                    Locale.ROOT, "%s: logits %.2e, all trained %.2e%n", family, frozen, trained);
                assertThat(frozen).isLessThanOrEqualTo(TOLERANCE);
                assertThat(trained).isLessThanOrEqualTo(TOLERANCE);
              }
              return 0;
            });
  }

  @ParameterizedTest
  @MethodSource("families")
  void fullTuning_writtenUntrained_isTheSameModel(String family) {
    Path path = Golden.path("families/" + family);
    try (BaseModel base = BaseModel.load(path);
        Checkpoint original = Checkpoint.open(path)) {
      ParameterLayout full = ParameterLayout.full(base.config(), false);
      Map<String, TensorData> tensors = full.checkpointTensors(full.copyOf(base, 1));
      CheckpointWriter.write(
          directory, base.config(), tensors, DType.F32, CheckpointWriter.DEFAULT_SHARD_BYTES);
      try (Checkpoint written = Checkpoint.open(directory)) {
        assertThat(written.config()).isEqualTo(original.config());
        assertThat(written.names()).isEqualTo(original.names());
        for (String name : original.names()) {
          assertThat(written.floats(name)).as(name).isEqualTo(original.floats(name));
        }
      }
    }
  }

  static List<String> familiesWithAdapters() throws IOException {
    return families().stream()
        .filter(name -> Files.exists(Golden.path("families/" + name).resolve("adapter")))
        .toList();
  }

  @ParameterizedTest
  @MethodSource("familiesWithAdapters")
  void adapterOfPeft_besideTheWeightsOrMerged_givesItsLogits(String family) {
    Path path = Golden.path("families/" + family);
    JsonNode golden = Golden.json("families/" + family + "/expected.json");
    Lanes.shared()
        .run(
            () -> {
              try (BaseModel base = BaseModel.load(path)) {
                Adapter adapter = Adapter.read(path.resolve("adapter"), base.config());
                ParameterLayout layout =
                    ParameterLayout.adapter(base.config(), adapter.config(), false);
                float[] parameters = new float[layout.size()];
                layout.take(parameters, adapter);
                double beside = worst(base, layout, parameters, golden, "adapter_logits");
                merge(path, adapter);
                double merged;
                try (BaseModel whole = BaseModel.load(directory)) {
                  ParameterLayout bare = ParameterLayout.bare(base.config(), false);
                  merged = worst(whole, bare, new float[0], golden, "adapter_logits");
                }
                System.out.printf(
                    Locale.ROOT, "%s: adapter %.2e, merged %.2e%n", family, beside, merged);
                assertThat(beside).isLessThanOrEqualTo(TOLERANCE);
                assertThat(merged).isLessThanOrEqualTo(TOLERANCE);
                assertThat(layout.toAdapter(parameters, "base").tensors())
                    .as("written again")
                    .isEqualTo(adapter.tensors());
              }
              return 0;
            });
  }

  private void merge(Path path, Adapter adapter) {
    try (Checkpoint checkpoint = Checkpoint.open(path)) {
      Map<String, WeightChange> added = adapter.changes(checkpoint.config());
      Map<String, TensorData> tensors = new LinkedHashMap<>();
      for (String name : checkpoint.names()) {
        float[] values = checkpoint.floats(name);
        Optional.ofNullable(added.get(name)).ifPresent(pair -> pair.mergeInto(values));
        tensors.put(name, TensorData.of(values, checkpoint.shape(name).toArray()));
      }
      CheckpointWriter.write(
          directory, checkpoint.config(), tensors, DType.F32, CheckpointWriter.DEFAULT_SHARD_BYTES);
    }
  }

  /**
   * Over all prompts that fit the context, in one batch, at as many last positions of each as there
   * are logits; by torch's operators and by the library's.
   */
  static double worst(
      BaseModel base,
      ParameterLayout layout,
      float[] parameters,
      JsonNode golden,
      String expectation) {
    List<int[]> prompts = new ArrayList<>();
    List<JsonNode> expected = new ArrayList<>();
    for (JsonNode row : golden.get("rows")) {
      if (row.get("prompt").size() <= base.config().maxPositionEmbeddings()) {
        prompts.add(Golden.ints(row.get("prompt")));
        expected.add(row.get(expectation));
      }
    }
    assertThat(prompts).hasSizeGreaterThan(1);
    int width = prompts.stream().mapToInt(tokens -> tokens.length).max().orElseThrow();
    long[] ids = new long[prompts.size() * width];
    Arrays.fill(ids, -1);
    List<Long> reads = new ArrayList<>();
    for (int row = 0; row < prompts.size(); row++) {
      int[] tokens = prompts.get(row);
      for (int t = 0; t < tokens.length; t++) {
        ids[row * width + t] = tokens[t];
        if (t >= tokens.length - expected.get(row).size()) {
          reads.add((long) row * width + t);
        }
      }
    }
    double worst = 0;
    for (Products products : Float32Products.all()) {
      try (KernelModule kernels = products.kernels(layout);
          Handle tokens = Handle.of(ids, prompts.size(), width);
          Handle positions =
              Handle.of(reads.stream().mapToLong(Long::longValue).toArray(), reads.size());
          Handle flat = Handle.of(parameters, parameters.length);
          Handle logits = kernels.infer("logits", tokens, positions, base.weights(), flat)) {
        worst = Math.max(worst, worst(logits.floats(), expected));
      }
    }
    return worst;
  }

  static double worst(float[] found, List<JsonNode> expected) {
    double worst = 0;
    int at = 0;
    for (JsonNode prompt : expected) {
      for (JsonNode position : prompt) {
        for (JsonNode logit : position) {
          double difference = Math.abs(found[at++] - logit.asDouble());
          worst = difference <= worst ? worst : difference;
        }
      }
    }
    assertThat(at).isEqualTo(found.length).isPositive();
    return worst;
  }
}
