package dev.troupe.engine.generation;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.troupe.models.checkpoint.ModelConfig;
import dev.troupe.models.decoder.BaseModel;
import dev.troupe.models.decoder.ParameterLayout;
import dev.troupe.models.torch.Handle;
import dev.troupe.models.torch.KernelModule;
import dev.troupe.models.torch.Lanes;
import dev.troupe.protocol.data.Numerics.Cache;
import dev.troupe.protocol.data.Numerics.Kernels;
import dev.troupe.protocol.data.Storage;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Random;
import java.util.stream.IntStream;
import java.util.stream.LongStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * Every golden family in int8, float32 and bfloat16, by the library's operators and by torch's: the
 * same prompts, of unequal length, and the same tokens after them give the same logits, with keys
 * and values in float32 and, on both sides, in bfloat16; and a row's bits do not depend on the rows
 * that it is decoded with.
 */
final class NativeFamilyTest {
  private static final Path GOLDEN =
      Path.of(System.getProperty("troupe.root"), "models/src/test/resources/golden/families");

  /**
   * How far the largest difference may be, in the largest logit. A row's first byte may round
   * otherwise where sums come in another order; torch rounds its products' results to bfloat16, and
   * the library does not.
   */
  private static final Map<Storage, Double> TOLERANCES =
      Map.of(Storage.INT8, 0.03, Storage.FP32, 2e-5, Storage.BF16, 0.03);

  /** Of float32 weights with keys and values in bfloat16, some of which round otherwise. */
  private static final double HALF_CACHE_TOLERANCE = 5e-4;

  /** Families in which keys and values in bfloat16 change the most. */
  private static final List<String> OFF_THE_MOST =
      List.of("llama3", "phi3-full", "qwen2-window", "gemma3", "gpt2", "bloom");

  private static final int ROWS = 5;
  private static final int STEPS = 6;

  static List<String> families() throws IOException {
    try (Stream<Path> found = Files.list(GOLDEN)) {
      return found.map(path -> path.getFileName().toString()).sorted().toList();
    }
  }

  @ParameterizedTest
  @ValueSource(strings = {"gemma3", "gpt2"})
  void decoding_inBfloat16_givesTheSameLogits(String family) {
    LibraryHere.assumeLoaded();
    assumeTrue(LibraryHere.loaded().instructions().startsWith("avx512"));
    try (Lanes lanes = new Lanes(1);
        BaseModel base = BaseModel.load(GOLDEN.resolve(family))) {
      lanes.run(
          () -> {
            check(family, base, Storage.BF16, Cache.FP32);
            check(family, base, Storage.BF16, Cache.AUTO);
            return 0;
          });
    }
  }

  @ParameterizedTest
  @MethodSource("families")
  void decoding_byEitherSidesOperators_givesTheSameLogits(String family) {
    LibraryHere.assumeLoaded();
    check(family);
  }

  static void check(String family) {
    try (Lanes lanes = new Lanes(1);
        BaseModel base = BaseModel.load(GOLDEN.resolve(family))) {
      lanes.run(
          () -> {
            check(family, base, Storage.INT8, Cache.FP32);
            check(family, base, Storage.FP32, Cache.AUTO);
            check(family, base, Storage.INT8, Cache.AUTO);
            check(family, base, Storage.FP32, Cache.BF16);
            return 0;
          });
    }
  }

  /** Both sides are compared where they hold weights in the same numbers. */
  private static void check(String family, BaseModel base, Storage format, Cache cache) {
    Operators operators = Operators.choose(Kernels.NATIVE, format).caching(cache, format);
    try (Decoding own = new Decoding(base, format, operators);
        Decoding torch = new Decoding(base, format, torch(operators.halfCache()))) {
      int[] all = IntStream.range(0, ROWS).toArray();
      float[][] found = own.logits(all);
      if (format != Storage.INT8 || LibraryHere.sharesSteps()) {
        double tolerance =
            operators.halfCache() && format == Storage.FP32
                ? HALF_CACHE_TOLERANCE
                : TOLERANCES.get(format);
        String what = family + ", " + format + (operators.halfCache() ? ", cache in bf16" : "");
        compare(what, found, torch.logits(all), tolerance);
      }
      // Alone, and with others in other numbers and places.
      for (int row = 0; row < ROWS; row++) {
        assertThat(own.logits(new int[] {row})[0]).isEqualTo(found[row]);
      }
      float[][] turned = own.logits(new int[] {3, 0, 3});
      assertThat(turned[0]).isEqualTo(found[3]);
      assertThat(turned[1]).isEqualTo(found[0]);
    }
  }

  /** Torch's operators, which have keys and values in bfloat16 here alone. */
  private static Operators torch(boolean halfCache) {
    return new Operators(false, false, false, halfCache, false, "to compare with");
  }

  /** What keys and values in bfloat16 add to what int8 weights are off by. */
  @Test
  void cacheInBf16_addsLittleToWhatInt8IsOffBy() {
    LibraryHere.assumeLoaded();
    double whole = 0;
    double half = 0;
    for (String family : OFF_THE_MOST) {
      try (Lanes lanes = new Lanes(1);
          BaseModel base = BaseModel.load(GOLDEN.resolve(family))) {
        float[][] exact = logits(lanes, base, Storage.FP32, Cache.FP32);
        double one = off(logits(lanes, base, Storage.INT8, Cache.FP32), exact);
        double other = off(logits(lanes, base, Storage.INT8, Cache.BF16), exact);
        System.out.printf(
            Locale.ROOT, "%s, int8: off by %.4f, with a cache in bf16 %.4f%n", family, one, other);
        whole += one * one;
        half += other * other;
      }
    }
    System.out.printf(Locale.ROOT, "all: %.4f, %.4f%n", Math.sqrt(whole), Math.sqrt(half));
    assertThat(Math.sqrt(half)).isLessThan(1.25 * Math.sqrt(whole));
  }

  private static float[][] logits(Lanes lanes, BaseModel base, Storage format, Cache cache) {
    return lanes.run(
        () -> {
          Operators operators = Operators.choose(Kernels.NATIVE, format).caching(cache, format);
          try (Decoding decoding = new Decoding(base, format, operators)) {
            return decoding.logits(IntStream.range(0, ROWS).toArray());
          }
        });
  }

  /** The root of the mean square, of the largest logit. */
  private static double off(float[][] found, float[][] exact) {
    double squares = 0;
    double largest = 0;
    long count = 0;
    for (int row = 0; row < ROWS; row++) {
      for (int i = 0; i < found[row].length; i++, count++) {
        double difference = found[row][i] - (double) exact[row][i];
        squares += difference * difference;
        largest = Math.max(largest, Math.abs(exact[row][i]));
      }
    }
    return Math.sqrt(squares / count) / largest;
  }

  private static void compare(String what, float[][] found, float[][] expected, double tolerance) {
    double worst = 0;
    double largest = 0;
    for (int row = 0; row < ROWS; row++) {
      for (int i = 0; i < found[row].length; i++) {
        worst = Math.max(worst, Math.abs(found[row][i] - (double) expected[row][i]));
        largest = Math.max(largest, Math.abs(expected[row][i]));
      }
    }
    System.out.printf(Locale.ROOT, "%s: off by %.1e of %.1f at most%n", what, worst, largest);
    assertThat(worst).as(what).isLessThan(tolerance * largest);
  }

  /** A model's shadow and what decodes by it. */
  private static final class Decoding implements AutoCloseable {
    private final ModelConfig config;
    private final KernelModule kernels;
    private final Handle frame;
    private final Handle packed;

    Decoding(BaseModel base, Storage format, Operators operators) {
      config = base.config();
      ParameterLayout layout = ParameterLayout.bare(config, false);
      Map<String, Object> attributes = new LinkedHashMap<>(layout.kernelAttributes());
      attributes.put("weight_at", new long[] {1, 2, 4, 5});
      kernels =
          KernelModule.load(
              Generator.class,
              "/kernels/generate.py",
              attributes,
              Packing.of(format).placeholders(operators));
      try (Handle flat = Handle.of(new float[0], 0);
          Handle nothing = kernels.infer("nothing");
          Handle part = Handle.of(0L);
          Handle parts = Handle.of(1L)) {
        frame = kernels.infer("frame", base.weights(), flat);
        packed = kernels.infer("shadow", base.weights(), flat, nothing, part, parts);
      }
    }

    /** Of each of these rows, the logits after its last token. */
    float[][] logits(int[] rows) {
      int longest = Arrays.stream(rows).map(this::length).max().orElseThrow();
      // As wide for any rows: torch's own operators of the prefill may sum otherwise by shape.
      int width = length(ROWS - 1);
      long[] ids = new long[rows.length * width];
      long[] lengths = new long[rows.length];
      long[] starts = new long[rows.length];
      for (int i = 0; i < rows.length; i++) {
        lengths[i] = length(rows[i]);
        starts[i] = longest - lengths[i];
        long[] text = text(rows[i]);
        System.arraycopy(text, 0, ids, i * width, (int) lengths[i]);
      }
      int slots = longest + STEPS;
      try (Handle start = Handle.of(starts, rows.length);
          Handle batch = Handle.of((long) rows.length);
          Handle room = Handle.of((long) slots);
          Handle first = Handle.of(Arrays.stream(starts).min().orElseThrow());
          Handle cache = kernels.infer("cache", batch, room, start);
          Handle mask = kernels.infer("start_mask", start, first, room)) {
        float[] last = prefill(ids, lengths, longest, cache);
        for (int step = 0; step < STEPS; step++) {
          long[] next = new long[rows.length];
          for (int i = 0; i < rows.length; i++) {
            next[i] = text(rows[i])[length(rows[i]) + step];
          }
          try (Handle token = Handle.of(next, rows.length);
              Handle slot = Handle.of((long) longest + step);
              Handle logits =
                  kernels.infer("decode", token, start, slot, first, mask, frame, packed, cache)) {
            last = logits.floats();
          }
        }
        int vocabulary = last.length / rows.length;
        float[][] out = new float[rows.length][];
        for (int i = 0; i < rows.length; i++) {
          out[i] = Arrays.copyOfRange(last, i * vocabulary, (i + 1) * vocabulary);
        }
        return out;
      }
    }

    private float[] prefill(long[] ids, long[] lengths, int longest, Handle cache) {
      long[] all = LongStream.range(0, lengths.length).toArray();
      try (Handle padded = Handle.of(ids, lengths.length, ids.length / lengths.length);
          Handle length = Handle.of(lengths, lengths.length);
          Handle which = Handle.ofList(all);
          Handle places = Handle.ofList(all);
          Handle end = Handle.of((long) longest);
          // One prompt at a time, as torch's own operators of the prefill may sum otherwise by
          // shape.
          Handle chunk = Handle.of(1L);
          Handle logits =
              kernels.infer(
                  "prefill", padded, length, which, places, end, chunk, frame, packed, cache)) {
        return logits.floats();
      }
    }

    private int length(int row) {
      return 3 + 2 * row;
    }

    private long[] text(int row) {
      return new Random(row).longs(64, 3, config.vocabSize()).toArray();
    }

    @Override
    public void close() {
      frame.close();
      packed.close();
      kernels.close();
    }
  }
}
