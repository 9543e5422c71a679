package dev.troupe.models.decoder;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import dev.troupe.models.Golden;
import dev.troupe.models.checkpoint.DType;
import dev.troupe.models.checkpoint.SafetensorsFile;
import dev.troupe.models.checkpoint.TensorData;
import dev.troupe.models.export.HuggingFaceExport;
import dev.troupe.models.peft.Adapter;
import dev.troupe.models.torch.GradMode;
import dev.troupe.models.torch.Handle;
import dev.troupe.models.torch.KernelModule;
import dev.troupe.models.torch.Lanes;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.stream.Stream;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * Adapters that peft has saved, each with choices of its own: log-probabilities and gradients are
 * peft's, and merged into the base they are the same.
 */
final class AdapterGoldenTest {
  private static final double TOLERANCE = 1e-4;
  private static final double MERGED_TOLERANCE = 1e-5;

  @TempDir private Path directory;

  static List<String> adapters() throws IOException {
    try (Stream<Path> found = Files.list(Golden.path("adapters"))) {
      return found.map(path -> path.getFileName().toString()).sorted().toList();
    }
  }

  /** All but those of virtual tokens. */
  static List<String> mergeable() throws IOException {
    return adapters().stream()
        .filter(name -> !name.startsWith("prefix") && !name.startsWith("prompt"))
        .toList();
  }

  @ParameterizedTest
  @MethodSource("adapters")
  void logprobsAndGradients_arePefts(String name) {
    JsonNode golden = Golden.json("adapters/" + name + "/expected.json");
    Lanes.shared()
        .run(
            () -> {
              try (BaseModel base = BaseModel.load(Golden.path(golden.get("base").asText()))) {
                Adapter adapter = Adapter.read(Golden.path("adapters/" + name), base.config());
                ParameterLayout layout =
                    ParameterLayout.adapter(base.config(), adapter.config(), false);
                float[] parameters = new float[layout.size()];
                layout.takeFromBase(parameters, base);
                layout.take(parameters, adapter);
                compare(name, base, layout, parameters, golden);
              }
              return 0;
            });
  }

  @ParameterizedTest
  @MethodSource("mergeable")
  void merged_givesTheSameLogits(String name) {
    JsonNode golden = Golden.json("adapters/" + name + "/expected.json");
    Path model = Golden.path(golden.get("base").asText());
    Path output = directory.resolve("merged");
    HuggingFaceExport.write(
        model,
        Optional.of(Golden.path("adapters/" + name)),
        output,
        DType.F32,
        1L << 30,
        (tensor, done, total) -> {});
    double worst =
        Lanes.shared()
            .run(
                () -> {
                  try (BaseModel base = BaseModel.load(model);
                      BaseModel merged = BaseModel.load(output);
                      Batch batch = new Batch(golden, new int[0])) {
                    Adapter adapter = Adapter.read(Golden.path("adapters/" + name), base.config());
                    ParameterLayout layout =
                        ParameterLayout.adapter(base.config(), adapter.config(), false);
                    float[] parameters = new float[layout.size()];
                    layout.takeFromBase(parameters, base);
                    layout.take(parameters, adapter);
                    return difference(
                        logits(base, layout, parameters, batch),
                        logits(
                            merged,
                            ParameterLayout.bare(base.config(), false),
                            new float[0],
                            batch));
                  }
                });
    System.out.printf(Locale.ROOT, "%s merged: %.1e of the largest logit%n", name, worst);
    assertThat(worst).isLessThanOrEqualTo(MERGED_TOLERANCE);
  }

  @ParameterizedTest
  @MethodSource("mergeable")
  void merged_givesPeftsLogprobs(String name) {
    JsonNode golden = Golden.json("adapters/" + name + "/expected.json");
    Path model = Golden.path(golden.get("base").asText());
    Path output = directory.resolve("merged");
    HuggingFaceExport.write(
        model,
        Optional.of(Golden.path("adapters/" + name)),
        output,
        DType.F32,
        1L << 30,
        (tensor, done, total) -> {});
    Lanes.shared()
        .run(
            () -> {
              try (BaseModel merged = BaseModel.load(output)) {
                ParameterLayout bare = ParameterLayout.bare(merged.config(), true);
                compare(name + " merged", merged, bare, new float[bare.size()], golden);
              }
              return 0;
            });
  }

  private static float[] logits(
      BaseModel base, ParameterLayout layout, float[] parameters, Batch batch) {
    try (KernelModule kernels = Products.TORCH.kernels(layout);
        Handle flat = Handle.of(parameters, parameters.length);
        Handle logits = kernels.infer("logits", batch.ids(), batch.reads(), base.weights(), flat)) {
      return logits.floats();
    }
  }

  /** The largest difference, as a part of the largest logit. */
  private static double difference(float[] found, float[] expected) {
    assertThat(found).hasSameSizeAs(expected).isNotEmpty();
    double largest = 0;
    double worst = 0;
    for (int i = 0; i < found.length; i++) {
      largest = Math.max(largest, Math.abs(expected[i]));
      worst = Math.max(worst, Math.abs((double) found[i] - expected[i]));
    }
    return worst / largest;
  }

  private static void compare(
      String name, BaseModel base, ParameterLayout layout, float[] parameters, JsonNode golden) {
    for (Products products : Float32Products.all()) {
      compare(products, name, base, layout, parameters, golden);
    }
  }

  private static void compare(
      Products products,
      String name,
      BaseModel base,
      ParameterLayout layout,
      float[] parameters,
      JsonNode golden) {
    try (Batch batch = new Batch(golden, layout.virtualTokens());
        KernelModule kernels = products.kernels(layout);
        Handle data = Handle.of(parameters, parameters.length);
        Handle flat = kernels.train("leaf", data);
        Handle one = Handle.of(1.0);
        Handle yes = Handle.of(true);
        Handle no = Handle.of(false);
        Handle noDropout = Handle.of(0L);
        Handle sections = Handle.ofTensors(List.of(batch.ids()));
        Handle forward =
            GradMode.with(
                () ->
                    kernels.train(
                        "forward",
                        sections,
                        batch.reads(),
                        batch.targets(),
                        base.weights(),
                        flat,
                        one,
                        yes,
                        no,
                        no,
                        noDropout))) {
      Handle[] parts = forward.parts();
      try {
        double worst = 0;
        float[] found = parts[1].floats();
        float[] expected = batch.expected();
        assertThat(found).hasSameSizeAs(expected);
        for (int i = 0; i < found.length; i++) {
          worst = Math.max(worst, Math.abs((double) found[i] - expected[i]));
        }
        System.out.printf(Locale.ROOT, "%s %s: logprobs %.1e%n", name, products, worst);
        assertThat(worst).isLessThanOrEqualTo(TOLERANCE);
        Path gradients = Golden.path("adapters").resolve(name).resolve("gradients.safetensors");
        if (layout.isAdapter() && Files.exists(gradients)) {
          float[] ones = new float[found.length];
          Arrays.fill(ones, 1);
          try (Handle each = Handle.of(ones, ones.length);
              Handle none = Handle.of(new float[0], 0);
              Handle kept = Handle.ofTensors(List.of(parts).subList(4, parts.length));
              Handle gradient =
                  GradMode.with(
                      () ->
                          kernels.train(
                              "backward",
                              parts[0],
                              batch.targets(),
                              base.weights(),
                              flat,
                              one,
                              each,
                              none,
                              none,
                              kept))) {
            compareGradients(
                name + " " + products, layout.toAdapter(gradient.floats(), ""), gradients);
          }
        }
      } finally {
        for (Handle part : parts) {
          part.close();
        }
      }
    }
  }

  private static void compareGradients(String name, Adapter found, Path expected) {
    double largest = 0;
    double worst = 0;
    try (SafetensorsFile file = SafetensorsFile.open(expected)) {
      assertThat(file.names()).hasSameSizeAs(found.tensors().keySet());
      for (Map.Entry<String, TensorData> tensor : found.tensors().entrySet()) {
        float[] theirs = file.floats(found.config().method().inFile(tensor.getKey()));
        float[] ours = tensor.getValue().floats();
        assertThat(ours).hasSameSizeAs(theirs);
        for (int i = 0; i < ours.length; i++) {
          largest = Math.max(largest, Math.abs(theirs[i]));
          worst = Math.max(worst, Math.abs((double) ours[i] - theirs[i]));
        }
      }
    }
    System.out.printf(Locale.ROOT, "%s: gradients %.1e of the largest%n", name, worst / largest);
    assertThat(worst / largest).isLessThanOrEqualTo(TOLERANCE);
  }

  /** The golden texts, every position read but the last of each. */
  private record Batch(Handle ids, Handle reads, Handle targets, float[] expected)
      implements AutoCloseable {
    Batch(JsonNode golden, int[] virtual) {
      this(rows(golden, virtual));
    }

    private Batch(Rows rows) {
      this(
          Handle.of(rows.ids, rows.count, rows.width),
          Handle.of(rows.reads.stream().mapToLong(Long::longValue).toArray(), rows.reads.size()),
          Handle.of(
              rows.targets.stream().mapToLong(Long::longValue).toArray(), rows.targets.size()),
          rows.expected);
    }

    private record Rows(
        int count, int width, long[] ids, List<Long> reads, List<Long> targets, float[] expected) {}

    private static Rows rows(JsonNode golden, int[] virtual) {
      List<int[]> texts = new ArrayList<>();
      golden.get("batch").forEach(tokens -> texts.add(Golden.ints(tokens)));
      int width =
          virtual.length + texts.stream().mapToInt(tokens -> tokens.length).max().orElseThrow();
      long[] ids = new long[texts.size() * width];
      List<Long> reads = new ArrayList<>();
      List<Long> targets = new ArrayList<>();
      List<Float> expected = new ArrayList<>();
      for (int row = 0; row < texts.size(); row++) {
        int[] tokens = texts.get(row);
        int first = row * width + virtual.length;
        for (int t = 0; t < virtual.length; t++) {
          ids[row * width + t] = virtual[t];
        }
        for (int t = 0; t < tokens.length; t++) {
          ids[first + t] = tokens[t];
          if (t + 1 < tokens.length) {
            reads.add((long) first + t);
            targets.add((long) tokens[t + 1]);
            expected.add(golden.get("logprobs").get(row).get(t).floatValue());
          }
        }
      }
      float[] floats = new float[expected.size()];
      for (int i = 0; i < floats.length; i++) {
        floats[i] = expected.get(i);
      }
      return new Rows(texts.size(), width, ids, reads, targets, floats);
    }

    @Override
    public void close() {
      ids.close();
      reads.close();
      targets.close();
    }
  }
}
