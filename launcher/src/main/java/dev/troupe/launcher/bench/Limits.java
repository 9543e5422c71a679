package dev.troupe.launcher.bench;

import dev.troupe.models.torch.Handle;
import dev.troupe.models.torch.KernelModule;
import dev.troupe.models.torch.Lanes;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;

/**
 * What the machine allows, all lanes at work at once.
 *
 * @param gemm float32 products into memory at hand, FLOP/s
 * @param packed products of 16 rows with packed weights, FLOP/s by weight format
 * @param bandwidth of reading memory, bytes/s
 */
public record Limits(Measurement gemm, Map<String, Measurement> packed, Measurement bandwidth) {
  private static final int ROWS = 2048;
  private static final int INNER = 576;
  private static final int COLUMNS = 3072;
  private static final int DECODE_ROWS = 16;

  /** Larger than any cache, per lane. */
  private static final int READ_FLOATS = 64 << 20;

  /** Measures. */
  public static Limits measure(Lanes lanes, int rounds) {
    try (KernelModule kernels =
        KernelModule.load(Limits.class, "/kernels/limits.py", Map.of(), Map.of())) {
      Measurement gemm = gemm(kernels, lanes, rounds);
      Map<String, Measurement> packed = new LinkedHashMap<>();
      for (String format : List.of("fp32", "bf16", "fp16", "int8")) {
        packed.put(
            format,
            rate(
                lanes,
                rounds,
                "gemm, 16 rows, " + format,
                2.0 * DECODE_ROWS * INNER * COLUMNS,
                200,
                times -> {
                  try (Handle x = random(DECODE_ROWS, INNER);
                      Handle w = random(COLUMNS, INNER);
                      Handle ready = kernels.infer("pack_" + format, w)) {
                    return time(() -> kernels.infer("packed_" + format, x, ready, times));
                  }
                }));
      }
      Measurement bandwidth =
          rate(
              lanes,
              rounds,
              "read",
              4.0 * READ_FLOATS,
              2,
              times -> {
                try (Handle x =
                    Handle.filled(own -> own.put(new float[READ_FLOATS]), READ_FLOATS)) {
                  return time(() -> kernels.infer("read", x, times));
                }
              });
      return new Limits(gemm, packed, bandwidth);
    }
  }

  /** The arithmetic alone. */
  static Measurement gemm(Lanes lanes, int rounds) {
    try (KernelModule kernels =
        KernelModule.load(Limits.class, "/kernels/limits.py", Map.of(), Map.of())) {
      return gemm(kernels, lanes, rounds);
    }
  }

  private static Measurement gemm(KernelModule kernels, Lanes lanes, int rounds) {
    return rate(
        lanes,
        rounds,
        "gemm",
        2.0 * ROWS * INNER * COLUMNS,
        4,
        times -> {
          try (Handle x = random(ROWS, INNER);
              Handle w = random(INNER, COLUMNS);
              Handle out = random(ROWS, COLUMNS)) {
            return time(() -> kernels.infer("gemm", x, w, out, times));
          }
        });
  }

  public List<Measurement> all() {
    List<Measurement> all = new ArrayList<>(List.of(gemm));
    all.addAll(packed.values());
    all.add(bandwidth);
    return all;
  }

  private interface Work {
    /** Seconds that this many repetitions take, after as many to warm up. */
    double seconds(Handle times);
  }

  private static Measurement rate(
      Lanes lanes, int rounds, String work, double each, long times, Work repeated) {
    List<Double> rates = new ArrayList<>();
    for (int i = 0; i < rounds; i++) {
      List<Double> seconds =
          lanes.map(
              lanes.count(),
              lane -> {
                try (Handle count = Handle.of(times)) {
                  return repeated.seconds(count);
                }
              });
      rates.add(seconds.stream().mapToDouble(taken -> each * times / taken).sum() / 1e9);
    }
    String unit = work.equals("read") ? "GB/s" : "GFLOP/s";
    return Measurement.of(work, Map.of("lanes", lanes.count()), unit, rates);
  }

  private interface Call {
    Handle run();
  }

  private static double time(Call call) {
    call.run().close();
    long start = System.nanoTime();
    call.run().close();
    return (System.nanoTime() - start) / 1e9;
  }

  private static Handle random(int rows, int columns) {
    Random random = new Random(1);
    float[] values = new float[rows * columns];
    for (int i = 0; i < values.length; i++) {
      values[i] = (float) random.nextGaussian();
    }
    return Handle.of(values, rows, columns);
  }
}
