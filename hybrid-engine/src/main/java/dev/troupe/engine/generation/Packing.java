package dev.troupe.engine.generation;

import dev.troupe.models.torch.Torch;
import dev.troupe.protocol.data.Storage;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;

/** How matrices are packed and multiplied while generating: packed for the CPU, plain on CUDA. */
public final class Packing {
  /** float32, packed by oneDNN. */
  private static final Packing FP32 =
      new Packing(
          Storage.FP32,
          1e-4,
          "Tensor",
          "return ops.mkldnn._linear_pointwise(x, w, None, 'none', [], '')",
          "return ops.mkldnn._reorder_linear_weight(w, None)");

  /** bfloat16 weights and activations, packed by oneDNN: for CPUs that multiply them. */
  private static final Packing BF16 =
      new Packing(
          Storage.BF16,
          0.2,
          "Tensor",
          "return ops.mkldnn._linear_pointwise(x.to(15), w, None, 'none', [], '').float()",
          "return ops.mkldnn._reorder_linear_weight(w.to(15), None)");

  /** float16 weights, float32 activations (FBGEMM). */
  private static final Packing FP16 =
      new Packing(
          Storage.FP16,
          1e-2,
          Packing.PACKED,
          "return ops.quantized.linear_dynamic_fp16(x, w)",
          "return ops.quantized.linear_prepack_fp16(w, None)");

  /**
   * int8 weights, scaled per output, and int8 activations, scaled per row, so that a row does not
   * depend on its batch; packed by oneDNN, which is fast on every processor where the activations'
   * bytes are unsigned: 128 stands for 0. The MLP's output and the head, whose inputs have numbers
   * far larger than the rest, get activations of two bytes, as two rows: what the first byte leaves
   * over is rounded again (Gemma 3 270M is a fifth too far off without). The log-probabilities are
   * far enough from the training path's to want recomputing.
   */
  private static final Packing INT8 =
      new Packing(
          Storage.INT8,
          0.2,
          "Tuple[Tensor, Tensor, Tensor]",
          """
      m = torch.amax(torch.abs(x), [1], True).clamp_(min=1e-12).mul_(0.007874015748031496)
        q = torch.view_copy(torch.div(x, m).round_().to(1).add_(-128), dtype=0)
        return ops.onednn.qlinear_pointwise(q, 1.0, 128, w[0], w[1], w[2], None, 1.0, 0, 6, 'none', [], '').mul_(m)""",
          """
      m = torch.amax(torch.abs(x), [1], True).clamp_(min=1e-12).mul_(0.007874015748031496)
        v = torch.div(x, m)
        q = torch.round(v)
        q = torch.cat([q, v.sub_(q).mul_(254.0).round_()])
        q = torch.view_copy(q.to(1).add_(-128), dtype=0)
        y = ops.onednn.qlinear_pointwise(q, 1.0, 128, w[0], w[1], w[2], None, 1.0, 0, 6, 'none', [], '')
        n = x.size(0)
        return y[:n].add_(y[n:], alpha=0.003937007874015748).mul_(m)""",
          """
      s = torch.div(torch.amax(torch.abs(w), [1]).clamp_(min=1e-12), $LARGEST)
        return (ops.onednn.qlinear_prepack(torch.div(w, s.unsqueeze(1)).round_().to(1), None), s, torch.zeros([1], dtype=4))""");

  /**
   * A base in blocks as it is held, LoRA beside it; activations as of int8 (kernels/held.py). By
   * the library's operators alone.
   */
  private static final String HELD = "Tuple[Tensor, List[int], Tensor, Tensor, Tensor, int]";

  private static final Packing NF4 = new Packing(Storage.NF4, 0.2, HELD, "", "");
  private static final Packing FP4 = new Packing(Storage.FP4, 0.2, HELD, "", "");

  private static final String PACKED = "__torch__.torch.classes.quantized.LinearPackedParamsBase";

  // As torch numbers its types.
  private static final String FLOAT32 = "6";
  private static final String BFLOAT16 = "15";

  private final Storage storage;
  private final double tolerance;
  private final String type;
  private final String linear;
  private final String fine;
  private final String pack;

  private Packing(Storage storage, double tolerance, String type, String linear, String pack) {
    this(storage, tolerance, type, linear, linear, pack);
  }

  private Packing(
      Storage storage, double tolerance, String type, String linear, String fine, String pack) {
    this.storage = storage;
    this.tolerance = tolerance;
    this.type = type;
    this.linear = linear;
    this.fine = fine;
    this.pack = pack;
  }

  /** Of a storage that rollouts can have. */
  public static Packing of(Storage storage) {
    return switch (storage) {
      case FP32 -> FP32;
      case BF16 -> BF16;
      case FP16 -> FP16;
      case INT8 -> INT8;
      case NF4 -> NF4;
      case FP4 -> FP4;
    };
  }

  /** How far, in nats, a log-probability may lie from the training path's. */
  public double tolerance() {
    return tolerance;
  }

  /**
   * What stands for $WEIGHT, $LINEAR, $FINE, $PACK, $FORMAT, $NATIVE, $BYTES, $CACHE, $EXACT and
   * $HELD in the kernels' source. To be called on a lane.
   */
  Map<String, String> placeholders(Operators operators) {
    Map<String, String> all = new HashMap<>(products(operators));
    all.put("CACHE", operators.halfCache() ? BFLOAT16 : FLOAT32);
    all.put("HELD", operators.fuse() ? "True" : "False");
    all.put("EXACT", operators.exact() ? "True" : "False");
    return all;
  }

  private Map<String, String> products(Operators operators) {
    if (Torch.device().isCuda()) {
      return plainPlaceholders();
    }
    if (!operators.areNative()) {
      return packedPlaceholders(false);
    }
    return switch (storage) {
      case INT8 -> nativeBytes();
      case FP32, BF16 -> nativeNumbers();
      case FP16 -> packedPlaceholders(true);
      case NF4, FP4 -> nativeBlocks();
    };
  }

  /** Whether training multiplies in such numbers, too. */
  boolean suitsExact() {
    return storage == Storage.FP32 || storage == Storage.BF16;
  }

  /** Whether keys and values in bfloat16 lose no more than these weights do. */
  public boolean suitsHalfCache() {
    return storage != Storage.FP32 && storage != Storage.FP16;
  }

  /** Whether the library makes the products, too, where its operators are used. */
  boolean hasNativeProducts() {
    return this != FP16;
  }

  /** Weights and inputs in the same numbers as by torch's operators; sums in one order. */
  private Map<String, String> nativeNumbers() {
    String product = "return ops.troupe.numbers_linear(x, w[0], w[1])";
    return Map.of(
        "WEIGHT",
        "Tuple[Tensor, int]",
        "LINEAR",
        product,
        "FINE",
        product,
        "PACK",
        "return (ops.troupe.pack_numbers(w, "
            + (storage == Storage.BF16 ? "True" : "False")
            + "), w.size(0))",
        "FORMAT",
        storage.name(),
        "NATIVE",
        "True",
        "BYTES",
        "False");
  }

  /** The same scheme, bit for bit, by operators of our own: packed otherwise, and not copied. */
  private static Map<String, String> nativeBytes() {
    return Map.of(
        "WEIGHT",
        INT8.type,
        "LINEAR",
        "return ops.troupe.linear(x, w[0], w[1], w[2], False)",
        "FINE",
        "return ops.troupe.linear(x, w[0], w[1], w[2], True)",
        "PACK",
        "return ops.troupe.pack(w)",
        "FORMAT",
        Storage.INT8.name(),
        "NATIVE",
        "True",
        "BYTES",
        "True");
  }

  private Map<String, String> nativeBlocks() {
    return Map.of(
        "WEIGHT",
        HELD,
        "LINEAR",
        "",
        "FINE",
        "",
        "PACK",
        "",
        "FORMAT",
        storage.name(),
        "NATIVE",
        "True",
        "BYTES",
        "False");
  }

  /** Class path names of texts that stand behind the kernels' own. */
  List<String> texts() {
    return type.equals(HELD) ? List.of("/kernels/held.py") : List.of();
  }

  /** Without packing, by operations that every device has: what CUDA is given. */
  Map<String, String> plainPlaceholders() {
    int dtype =
        switch (storage) {
          case FP32 -> 6;
          case BF16 -> 15;
          case FP16 -> 5;
          case INT8, NF4, FP4 ->
              throw new GenerationException(
                  "rollouts with "
                      + storage.name().toLowerCase(Locale.ROOT)
                      + " weights are for the CPU; on "
                      + Torch.device()
                      + " let engine.rollout-weights (--weights) be bf16, fp16 or fp32");
        };
    String product = String.format(Locale.ROOT, "return torch.linear(x.to(%d), w).float()", dtype);
    return Map.of(
        "WEIGHT",
        "Tensor",
        "LINEAR",
        product,
        "FINE",
        product,
        "PACK",
        String.format(Locale.ROOT, "return w.to(%d)", dtype),
        "FORMAT",
        storage.name(),
        "NATIVE",
        "False",
        "BYTES",
        "False",
        "CACHE",
        FLOAT32,
        "EXACT",
        "False");
  }

  private Map<String, String> packedPlaceholders(boolean nativeElsewhere) {
    String packing =
        storage == Storage.INT8
            ? pack.replace("$LARGEST", ByteProducts.largestWeight() + ".0")
            : pack;
    return Map.of(
        "WEIGHT",
        type,
        "LINEAR",
        linear,
        "FINE",
        fine,
        "PACK",
        packing,
        "FORMAT",
        storage.name(),
        "NATIVE",
        nativeElsewhere ? "True" : "False",
        "BYTES",
        "False");
  }
}
