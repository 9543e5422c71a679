package dev.troupe.models.checkpoint.quantised;

import com.fasterxml.jackson.databind.JsonNode;
import dev.troupe.models.checkpoint.Shape;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/**
 * Weights of four bits with a scale and a zero point for each group of inputs: those of GPTQ
 * (Frantar et al., arXiv:2210.17323), eight inputs to a word, and of AWQ (Lin et al.,
 * arXiv:2306.00978) in its GEMM layout, eight outputs to a word in an order of its own. A number is
 * (code - zero point) times scale; here it is not rounded to the scale's float16.
 *
 * @param awq whether AWQ's, not GPTQ's
 * @param zeroIsLess whether zero points are stored less one, as GPTQ's first format has them
 */
record GroupFiles(boolean awq, boolean zeroIsLess) implements PackedFormat {
  /** Codes of a word. */
  private static final int WORD = 8;

  /** The output that each nibble of AWQ's words holds, from the lowest on. */
  private static final int[] AWQ_ORDER = {0, 2, 4, 6, 1, 3, 5, 7};

  private static final int[] IN_ORDER = {0, 1, 2, 3, 4, 5, 6, 7};

  /**
   * Of a {@code quantization_config}.
   *
   * @throws IllegalArgumentException when it asks for what is not read
   */
  static GroupFiles of(JsonNode config, boolean awq) {
    String method = awq ? "awq" : "gptq";
    int bits = config.path("bits").asInt(config.path("w_bit").asInt(4));
    require(bits == 4, "quantization_config of " + method + " has bits " + bits + "; read are 4");
    if (awq) {
      String version = config.path("version").asText("gemm");
      require(
          version.equalsIgnoreCase("gemm"),
          "quantization_config of awq has version '" + version + "'; read is gemm");
      require(
          config.path("zero_point").asBoolean(true),
          "quantization_config of awq has zero_point false; read is true");
      return new GroupFiles(true, false);
    }
    String format = config.path("checkpoint_format").asText("gptq");
    require(
        format.equals("gptq") || format.equals("gptq_v2"),
        "quantization_config of gptq has checkpoint_format '"
            + format
            + "'; read are gptq and gptq_v2");
    return new GroupFiles(false, format.equals("gptq"));
  }

  private static void require(boolean condition, String message) {
    if (!condition) {
      throw new IllegalArgumentException(message);
    }
  }

  @Override
  public List<Packed> weights(StoredTensors tensors) {
    List<Packed> found = new ArrayList<>();
    for (String name : tensors.names()) {
      if (name.endsWith(".qweight")) {
        found.add(weight(tensors, name));
      }
    }
    return found;
  }

  private Packed weight(StoredTensors tensors, String codes) {
    String prefix = codes.substring(0, codes.length() - "qweight".length());
    String zeros = prefix + "qzeros";
    String scales = prefix + "scales";
    String order = prefix + "g_idx";
    tensors.require(codes, codes, "I32");
    tensors.require(codes, scales, "F16", "BF16", "F32");
    tensors.require(codes, zeros, "I32");
    List<Long> words = tensors.shape(codes).dimensions();
    List<Long> ofScales = tensors.shape(scales).dimensions();
    if (words.size() != 2 || ofScales.size() != 2) {
      throw tensors.wrong(codes, "rows and columns", "the shape " + tensors.shape(codes));
    }
    long inputs = awq ? words.get(0) : words.get(0) * WORD;
    long outputs = awq ? words.get(1) * WORD : words.get(1);
    long groups = ofScales.get(0);
    tensors.requireShape(scales, Shape.of(groups, outputs));
    tensors.requireShape(zeros, Shape.of(groups, outputs / WORD));
    if (groups < 1 || inputs % groups != 0) {
      throw tensors.wrong(
          scales, "a number of groups that divides the " + inputs + " inputs", groups + " groups");
    }
    List<String> parts = new ArrayList<>(List.of(codes, zeros, scales));
    int[] group = new int[Math.toIntExact(inputs)];
    for (int i = 0; i < group.length; i++) {
      group[i] = Math.toIntExact(i / (inputs / groups));
    }
    if (!awq && tensors.has(order)) {
      tensors.require(codes, order, "I32");
      tensors.requireShape(order, Shape.of(inputs));
      group = tensors.ints(order);
      for (int own : group) {
        if (own < 0 || own >= groups) {
          throw tensors.wrong(order, "groups from 0 to " + (groups - 1), own + "");
        }
      }
      parts.add(order);
    }
    int[] ofInput = group;
    return new Packed(
        prefix + "weight",
        parts,
        Shape.of(outputs, inputs),
        () -> numbers(tensors, codes, zeros, scales, ofInput),
        Optional.empty());
  }

  private float[] numbers(
      StoredTensors tensors, String codes, String zeros, String scales, int... group) {
    int[] words = tensors.ints(codes);
    int[] points = tensors.ints(zeros);
    float[] factors = tensors.floats(scales);
    int inputs = group.length;
    int outputs = Math.toIntExact(tensors.shape(scales).dimensions().get(1));
    // The shift of each output within its word.
    int[] shifts = new int[WORD];
    for (int nibble = 0; nibble < WORD; nibble++) {
      shifts[(awq ? AWQ_ORDER : IN_ORDER)[nibble]] = 4 * nibble;
    }
    float[] numbers = new float[Math.multiplyExact(outputs, inputs)];
    for (int in = 0; in < inputs; in++) {
      int first = group[in] * outputs;
      for (int out = 0; out < outputs; out++) {
        int code =
            awq
                ? words[(in * outputs + out) / WORD] >>> shifts[out % WORD]
                : words[in / WORD * outputs + out] >>> (4 * (in % WORD));
        int point = points[(first + out) / WORD] >>> shifts[out % WORD];
        int zero = zeroIsLess ? ((point & 15) + 1) & 15 : point & 15;
        numbers[out * inputs + in] = factors[first + out] * ((code & 15) - zero);
      }
    }
    return numbers;
  }
}
