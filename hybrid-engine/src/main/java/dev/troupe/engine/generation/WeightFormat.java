package dev.troupe.engine.generation;

import java.util.Map;

/** How the matrices are held while generating. */
public enum WeightFormat {
  /** float32, packed by oneDNN: exact but for the order of additions. */
  FP32(
      4,
      1e-4,
      "Tensor",
      "return ops.mkldnn._linear_pointwise(x, w, None, 'none', [], '')",
      "return ops.mkldnn._reorder_linear_weight(w, None)"),
  /** bfloat16 weights and activations, packed by oneDNN: for CPUs that multiply them. */
  BF16(
      2,
      0.2,
      "Tensor",
      "return ops.mkldnn._linear_pointwise(x.to(15), w, None, 'none', [], '').float()",
      "return ops.mkldnn._reorder_linear_weight(w.to(15), None)"),
  /** float16 weights, float32 activations (FBGEMM). */
  FP16(
      2,
      1e-2,
      WeightFormat.PACKED,
      "return ops.quantized.linear_dynamic_fp16(x, w)",
      "return ops.quantized.linear_prepack_fp16(w, None)"),
  /**
   * int8 weights of 7 bits (FBGEMM adds in 16 bits, where 8-bit weights can saturate), scaled per
   * output; activations are scaled per row, so that a row does not depend on its batch. The
   * log-probabilities are far enough from the training path's to want recomputing.
   */
  INT8(
      1,
      0.2,
      WeightFormat.PACKED,
      """
      m = torch.linalg_vector_norm(x, inf, [1], True).clamp_(min=1e-12)
        return ops.quantized.linear_with_input_q_dq_qweight_dq_output_fp32(torch.div(x, m), 1.0 / 127.5, 128, w).mul_(m)""",
      """
      s = torch.div(torch.amax(torch.abs(w), [1]), 63.0).clamp_(min=1e-12)
        return ops.quantized.linear_prepack(torch.quantize_per_channel(w, torch.to(s, 7), torch.zeros([w.size(0)], dtype=4), 0, 12), None)""");

  private static final String PACKED = "__torch__.torch.classes.quantized.LinearPackedParamsBase";

  private final int bytes;
  private final double tolerance;
  private final String type;
  private final String linear;
  private final String pack;

  WeightFormat(int bytes, double tolerance, String type, String linear, String pack) {
    this.bytes = bytes;
    this.tolerance = tolerance;
    this.type = type;
    this.linear = linear;
    this.pack = pack;
  }

  /** Bytes per weight. */
  int bytes() {
    return bytes;
  }

  /** How far, in nats, a log-probability may lie from the training path's. */
  public double tolerance() {
    return tolerance;
  }

  /** What stands for $WEIGHT, $LINEAR, $PACK and $FORMAT in the kernels' source. */
  Map<String, String> placeholders() {
    return Map.of("WEIGHT", type, "LINEAR", linear, "PACK", pack, "FORMAT", name());
  }
}
