package dev.troupe.launcher.bench;

import dev.troupe.engine.generation.Generator;
import dev.troupe.models.decoder.BaseModel;
import dev.troupe.models.decoder.ParameterLayout;
import dev.troupe.models.torch.Handle;
import dev.troupe.models.torch.KernelModule;
import dev.troupe.models.torch.Lanes;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.stream.Stream;

/**
 * The generator's kernels without the generator: the whole loop over tokens in one call, on weights
 * that are packed as {@link Generator} packs float32, or not packed.
 */
final class GenerationKernels implements AutoCloseable {
  /** How a matrix is held and multiplied. */
  enum Products {
    /** Row by row, by torch's own product. */
    LINEAR("return torch.linear(x, w)", "return w"),
    /** As Storage.FP32. */
    PACKED(
        "return ops.mkldnn._linear_pointwise(x, w, None, 'none', [], '')",
        "return ops.mkldnn._reorder_linear_weight(w, None)");

    private final String linear;
    private final String pack;

    Products(String linear, String pack) {
      this.linear = linear;
      this.pack = pack;
    }
  }

  private final Lanes lanes;
  private final KernelModule kernels;
  private final Handle frame;
  private final Handle packed;

  /**
   * @param parameters of the layout, to be merged into the weights
   */
  GenerationKernels(
      BaseModel base, ParameterLayout layout, Handle parameters, Products products, Lanes lanes) {
    this.lanes = lanes;
    Map<String, Object> attributes = new LinkedHashMap<>(layout.kernelAttributes());
    // Where qkv, o, gate_up and down stand in a layer's weights, as for the generator.
    attributes.put("weight_at", new long[] {1, 2, 4, 5});
    String text =
        (read(Generator.class, "/kernels/generate.py")
                + read(GenerationKernels.class, "/kernels/loop.py"))
            .replace("$WEIGHT", "Tensor")
            .replace("$LINEAR", products.linear)
            .replace("$FINE", products.linear)
            .replace("$PACK", products.pack)
            .replace("$NATIVE", "False")
            .replace("$BYTES", "False")
            .replace("$CACHE", "6")
            .replace("$EXACT", "False");
    kernels = KernelModule.compile("/kernels/loop.py", text, attributes);
    frame = lanes.run(() -> kernels.infer("frame", base.weights(), parameters));
    packed =
        lanes.run(
            () -> {
              try (Handle nothing = kernels.infer("nothing");
                  Handle part = Handle.of(0L);
                  Handle parts = Handle.of(1L)) {
                return kernels.infer("shadow", base.weights(), parameters, nothing, part, parts);
              }
            });
  }

  /**
   * Tokens after each prompt, the prompts spread over the lanes.
   *
   * @param prompts of one length
   * @param temperature 0 for the likeliest
   */
  List<long[]> answers(List<int[]> prompts, int newTokens, double temperature) {
    int shares = Math.min(lanes.count(), prompts.size());
    return lanes
        .map(
            shares,
            i -> {
              int from = prompts.size() * i / shares;
              int to = prompts.size() * (i + 1) / shares;
              return share(prompts.subList(from, to), newTokens, temperature);
            })
        .stream()
        .flatMap(List::stream)
        .toList();
  }

  private List<long[]> share(List<int[]> prompts, int newTokens, double temperature) {
    int rows = prompts.size();
    long[] ids = prompts.stream().flatMapToInt(Arrays::stream).asLongStream().toArray();
    float[] numbers = new float[rows * newTokens];
    Random random = new Random(1);
    for (int i = 0; i < numbers.length; i++) {
      numbers[i] = random.nextFloat();
    }
    try (Handle tokens = Handle.of(ids, rows, ids.length / rows);
        Handle uniform = Handle.of(numbers, rows, newTokens);
        Handle heat = Handle.of(temperature);
        Handle chosen = kernels.infer("answers", tokens, uniform, heat, frame, packed)) {
      long[] all = chosen.longs();
      return Stream.iterate(0, row -> row < rows, row -> row + 1)
          .map(row -> Arrays.copyOfRange(all, row * newTokens, (row + 1) * newTokens))
          .toList();
    }
  }

  /** Milliseconds of a choice of tokens at temperature 1 over the whole vocabulary, on one lane. */
  double pickMillis(int rows, int vocabulary, int times) {
    float[] numbers = new float[rows * vocabulary];
    Random random = new Random(1);
    for (int i = 0; i < numbers.length; i++) {
      numbers[i] = (float) random.nextGaussian();
    }
    float[] halves = new float[rows];
    Arrays.fill(halves, 0.5f);
    return lanes.run(
        () -> {
          try (Handle logits = Handle.of(numbers, rows, vocabulary);
              Handle uniform = Handle.of(halves, rows);
              Handle temperature = Handle.of(1.0);
              Handle topK = Handle.of(0L);
              Handle topP = Handle.of(1.0)) {
            double seconds =
                Turns.seconds(
                    () -> {
                      for (int i = 0; i < times; i++) {
                        kernels.infer("pick", logits, uniform, temperature, topK, topP).close();
                      }
                    });
            return 1e3 * seconds / times;
          }
        });
  }

  private static String read(Class<?> owner, String resource) {
    try (InputStream stream = owner.getResourceAsStream(resource)) {
      if (stream == null) {
        throw new IllegalArgumentException("no kernel resource " + resource);
      }
      return new String(stream.readAllBytes(), StandardCharsets.UTF_8);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  @Override
  public void close() {
    packed.close();
    frame.close();
    kernels.close();
  }
}
