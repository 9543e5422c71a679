package dev.troupe.models.decoder;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import dev.troupe.models.Golden;
import dev.troupe.models.peft.Adapter;
import dev.troupe.models.torch.Handle;
import dev.troupe.models.torch.KernelModule;
import dev.troupe.models.torch.Lanes;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/**
 * The decoder's kernels against transformers, in fp32: frozen, with an adapter beside the weights,
 * and all weights trained.
 */
final class DecoderGoldenTest {
  private static final double TOLERANCE = 1e-4;

  private enum Kind {
    BARE,
    FULL
  }

  @ParameterizedTest
  @CsvSource({
    "gqa-tied-bf16, '', BARE",
    "gqa-tied-bf16, '', FULL",
    "untied-llama3-fp16, '', BARE",
    "untied-llama3-fp16, '', FULL",
    "linear-rope-fp32, '', BARE",
    "gqa-tied-bf16, gqa-adapter, BARE",
  })
  void logits_equalTransformers(String name, String adapter, Kind kind) {
    JsonNode golden = Golden.json((adapter.isEmpty() ? name : adapter) + "/expected.json");
    Lanes.shared()
        .run(
            () -> {
              try (BaseModel base = BaseModel.load(Golden.path(name))) {
                ParameterLayout layout = layout(base, adapter, kind);
                float[] parameters =
                    kind == Kind.FULL ? layout.copyOf(base, 1) : new float[layout.size()];
                if (!adapter.isEmpty()) {
                  layout.take(parameters, Adapter.read(Golden.path(adapter), base.config()));
                }
                for (Products products : Float32Products.all()) {
                  String what = name + " " + adapter + " " + kind + " " + products;
                  compare(products, what, base, layout, parameters, golden);
                }
              }
              return 0;
            });
  }

  private static ParameterLayout layout(BaseModel base, String adapter, Kind kind) {
    if (kind == Kind.FULL) {
      return ParameterLayout.full(base.config(), false);
    }
    if (adapter.isEmpty()) {
      return ParameterLayout.bare(base.config(), false);
    }
    var config = Adapter.read(Golden.path(adapter), base.config()).config();
    return ParameterLayout.adapter(base.config(), config, false);
  }

  private static void compare(
      Products products,
      String what,
      BaseModel base,
      ParameterLayout layout,
      float[] parameters,
      JsonNode golden) {
    List<int[]> batch = new ArrayList<>();
    golden.get("batch").forEach(tokens -> batch.add(Golden.ints(tokens)));
    int width = batch.stream().mapToInt(tokens -> tokens.length).max().orElseThrow();
    long[] ids = new long[batch.size() * width];
    List<Long> reads = new ArrayList<>();
    List<Long> targets = new ArrayList<>();
    for (int row = 0; row < batch.size(); row++) {
      int[] tokens = batch.get(row);
      for (int t = 0; t < tokens.length; t++) {
        ids[row * width + t] = tokens[t];
        if (t + 1 < tokens.length) {
          reads.add((long) row * width + t);
          targets.add((long) tokens[t + 1]);
        }
      }
    }
    try (KernelModule kernels = products.kernels(layout);
        Handle idsHandle = Handle.of(ids, batch.size(), width);
        Handle readsHandle = Handle.of(longs(reads), reads.size());
        Handle targetsHandle = Handle.of(longs(targets), targets.size());
        Handle flat = Handle.of(parameters, parameters.length);
        Handle temperature = Handle.of(1.0);
        Handle yes = Handle.of(true);
        Handle no = Handle.of(false);
        Handle sections = Handle.ofTensors(List.of(idsHandle));
        Handle out =
            kernels.infer(
                "evaluate",
                sections,
                readsHandle,
                targetsHandle,
                base.weights(),
                flat,
                temperature,
                yes,
                no,
                no);
        Handle logits = kernels.infer("logits", idsHandle, readsHandle, base.weights(), flat)) {
      Handle[] parts = out.parts();
      double worstLogprob = worst(parts[0].floats(), flattened(golden.get("logprobs")));
      for (Handle part : parts) {
        part.close();
      }
      double worstLogit = 0;
      if (golden.has("logits")) {
        float[] expected = flattened(golden.get("logits"));
        int first = (batch.get(0).length - 1) * base.config().vocabSize();
        worstLogit = worst(Arrays.copyOf(logits.floats(), first), Arrays.copyOf(expected, first));
      }
      System.out.printf(
          Locale.ROOT, "%s: logits %.2e, logprobs %.2e%n", what, worstLogit, worstLogprob);
      assertThat(worstLogprob).isLessThanOrEqualTo(TOLERANCE);
      assertThat(worstLogit).isLessThanOrEqualTo(TOLERANCE);
    }
  }

  private static double worst(float[] found, float[] expected) {
    assertThat(found).hasSameSizeAs(expected).isNotEmpty();
    double worst = 0;
    for (int i = 0; i < found.length; i++) {
      worst = Math.max(worst, Math.abs((double) found[i] - expected[i]));
    }
    return worst;
  }

  private static float[] flattened(JsonNode rows) {
    List<Float> values = new ArrayList<>();
    rows.forEach(row -> row.forEach(value -> values.add(value.floatValue())));
    float[] flat = new float[values.size()];
    for (int i = 0; i < flat.length; i++) {
      flat[i] = values.get(i);
    }
    return flat;
  }

  private static long[] longs(List<Long> values) {
    return values.stream().mapToLong(Long::longValue).toArray();
  }
}
