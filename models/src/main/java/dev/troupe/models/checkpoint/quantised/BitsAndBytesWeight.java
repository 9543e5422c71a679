package dev.troupe.models.checkpoint.quantised;

import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.troupe.models.checkpoint.CheckpointException;
import dev.troupe.models.checkpoint.DType;
import dev.troupe.models.checkpoint.JsonFile;
import dev.troupe.models.checkpoint.Shape;
import dev.troupe.models.checkpoint.StoredTensor;
import dev.troupe.models.quantisation.Blocks;
import dev.troupe.models.quantisation.FourBits;
import dev.troupe.models.quantisation.HeldScales;
import dev.troupe.models.quantisation.ScaleNumbers;
import dev.troupe.models.quantisation.StoredBlocks;
import dev.troupe.protocol.data.Quantisation;
import dev.troupe.protocol.data.Storage;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.stream.IntStream;

/**
 * A weight as bitsandbytes serialises it, to be written.
 *
 * @param tensors the bytes of each tensor that it is made of, little-endian
 * @param comeOut the numbers that it stands for
 */
public record BitsAndBytesWeight(Map<String, ByteBuffer> tensors, float[] comeOut) {
  /** The largest magnitude of a byte. */
  private static final int MOST = 127;

  /** Longest text of a float in JSON, to which states are filled up with blanks. */
  private static final int LONGEST = 26;

  /** A tensor that belongs to a weight, before its bytes are known. */
  public record Part(String name, StoredTensor tensor) {}

  /** A tensor of numbers. */
  public static Part plain(String name, Shape shape, DType dtype) {
    return new Part(name, new StoredTensor(dtype.name(), shape, shape.elements() * dtype.bytes()));
  }

  /**
   * The tensors of a quantised weight.
   *
   * @param shape (outputs, inputs)
   * @param dtype of the numbers that were quantised
   */
  public static List<Part> parts(String name, Shape shape, Quantisation how, DType dtype) {
    List<Part> parts = new ArrayList<>();
    if (how.storage() == Storage.INT8) {
      long rows = shape.dimensions().get(0);
      parts.add(new Part(name, new StoredTensor("I8", shape, shape.elements())));
      parts.add(plain(beside(name, "SCB"), Shape.of(rows), DType.F32));
      parts.add(new Part(beside(name, "weight_format"), new StoredTensor("U8", Shape.of(), 1)));
      return parts;
    }
    long numbers = shape.elements();
    long blocks = numbers / how.blockSize();
    parts.add(new Part(name, new StoredTensor("U8", Shape.of(numbers / 2, 1), numbers / 2)));
    if (how.doubleQuantisation()) {
      parts.add(new Part(name + ".absmax", new StoredTensor("U8", Shape.of(blocks), blocks)));
      long groups = (blocks + HeldScales.GROUP - 1) / HeldScales.GROUP;
      parts.add(plain(name + ".nested_absmax", Shape.of(groups), DType.F32));
      parts.add(plain(name + ".nested_quant_map", Shape.of(256), DType.F32));
    } else {
      parts.add(plain(name + ".absmax", Shape.of(blocks), DType.F32));
    }
    parts.add(plain(name + ".quant_map", Shape.of(16), DType.F32));
    int state = state(shape, how, dtype, 0).length;
    parts.add(
        new Part(stateName(name, how.storage()), new StoredTensor("U8", Shape.of(state), state)));
    return parts;
  }

  private static String beside(String weight, String other) {
    return weight.substring(0, weight.length() - "weight".length()) + other;
  }

  private static String stateName(String weight, Storage storage) {
    return weight + ".quant_state.bitsandbytes__" + storage.name().toLowerCase(Locale.ROOT);
  }

  /** As JSON; blanks at its end make its length the same for every offset. */
  private static byte[] state(Shape shape, Quantisation how, DType dtype, float offset) {
    ObjectNode json = JsonFile.object();
    json.put("quant_type", how.storage().name().toLowerCase(Locale.ROOT));
    json.put("blocksize", how.blockSize());
    json.put("dtype", dtype.torchName());
    ArrayNode lengths = json.putArray("shape");
    shape.dimensions().forEach(lengths::add);
    int length = json.toString().length();
    if (how.doubleQuantisation()) {
      json.put("nested_blocksize", HeldScales.GROUP);
      json.put("nested_dtype", "float32");
      length = json.toString().length() + ",\"nested_offset\":".length() + LONGEST;
      json.put("nested_offset", (double) offset);
    }
    String text = json.toString();
    return (text + " ".repeat(length - text.length())).getBytes(StandardCharsets.UTF_8);
  }

  /** A tensor of numbers, each rounded to the nearest. */
  public static BitsAndBytesWeight ofNumbers(String name, float[] numbers, DType dtype) {
    ByteBuffer bytes = little(Math.multiplyExact(numbers.length, dtype.bytes()));
    for (float number : numbers) {
      switch (dtype) {
        case F32 -> bytes.putFloat(number);
        case BF16 -> bytes.putShort(DType.toBf16(number));
        case F16 -> bytes.putShort(DType.toF16(finite(name, number)));
      }
    }
    return new BitsAndBytesWeight(Map.of(name, bytes.flip()), numbers);
  }

  private static float finite(String name, float number) {
    if (!Float.isFinite(DType.F16.rounded(number))) {
      throw new CheckpointException(
          "tensor '"
              + name
              + "': "
              + number
              + " does not fit F16 (largest 65504); it can be written in BF16 or F32, and its layer in NF4 or FP4.");
    }
    return number;
  }

  /**
   * A weight in blocks.
   *
   * @param shape (outputs, inputs)
   * @param dtype of the numbers that were quantised
   */
  public static BitsAndBytesWeight blocks(
      String name, Shape shape, StoredBlocks stored, DType dtype) {
    Map<String, ByteBuffer> tensors = new LinkedHashMap<>();
    tensors.put(name, stored.codes());
    float offset = 0;
    if (stored.inEightBits().isPresent()) {
      HeldScales small = stored.inEightBits().get();
      offset = small.offset();
      tensors.put(name + ".absmax", ByteBuffer.wrap(small.codes()));
      tensors.put(name + ".nested_absmax", floats(small.groups()));
      tensors.put(name + ".nested_quant_map", floats(ScaleNumbers.numbers()));
    } else {
      tensors.put(name + ".absmax", floats(stored.scales()));
    }
    tensors.put(name + ".quant_map", floats(FourBits.numbers(stored.storage())));
    Quantisation how =
        new Quantisation(stored.storage(), stored.blockSize(), stored.inEightBits().isPresent());
    tensors.put(
        stateName(name, stored.storage()), ByteBuffer.wrap(state(shape, how, dtype, offset)));
    float[] comeOut = new float[Math.toIntExact(shape.elements())];
    Blocks.numbers(
        FourBits.numbers(stored.storage()),
        stored.blockSize(),
        stored.codes(),
        0,
        stored.scales(),
        comeOut);
    for (int i = 0; i < comeOut.length; i++) {
      comeOut[i] = dtype.rounded(comeOut[i]);
    }
    return new BitsAndBytesWeight(tensors, comeOut);
  }

  /**
   * A weight as whole numbers of eight bits with a scale for each row, made of its numbers in
   * float16, as LLM.int8 has it.
   */
  public static BitsAndBytesWeight rows(String name, float[] numbers, int columns) {
    int rows = numbers.length / columns;
    float[] scales = new float[rows];
    float[] comeOut = new float[numbers.length];
    ByteBuffer codes = little(numbers.length);
    IntStream.range(0, rows)
        .parallel()
        .forEach(
            row -> {
              float[] own = new float[columns];
              for (int i = 0; i < columns; i++) {
                own[i] = DType.F16.rounded(finite(name, numbers[row * columns + i]));
                scales[row] = Math.max(scales[row], Math.abs(own[i]));
              }
              float by = scales[row] == 0 ? 0 : 1 / scales[row] * MOST;
              for (int i = 0; i < columns; i++) {
                byte code = (byte) Math.rint(own[i] * by);
                codes.put(row * columns + i, code);
                comeOut[row * columns + i] = BitsAndBytesFiles.ofRow(code, scales[row]);
              }
            });
    return new BitsAndBytesWeight(
        Map.of(
            name,
            codes,
            beside(name, "SCB"),
            floats(scales),
            beside(name, "weight_format"),
            ByteBuffer.allocate(1)),
        comeOut);
  }

  private static ByteBuffer little(int bytes) {
    return ByteBuffer.allocate(bytes).order(ByteOrder.LITTLE_ENDIAN);
  }

  private static ByteBuffer floats(float... numbers) {
    ByteBuffer bytes = little(Float.BYTES * numbers.length);
    bytes.asFloatBuffer().put(numbers);
    return bytes;
  }

  /** What {@code config.json} says of such a checkpoint, as transformers writes it. */
  public static ObjectNode config(Quantisation how, DType dtype) {
    boolean eight = how.storage() == Storage.INT8;
    ObjectNode json = JsonFile.object();
    json.put("_load_in_4bit", !eight);
    json.put("_load_in_8bit", eight);
    json.put("bnb_4bit_compute_dtype", dtype.torchName());
    json.put("bnb_4bit_quant_storage", "uint8");
    json.put("bnb_4bit_quant_type", how.storage() == Storage.NF4 ? "nf4" : "fp4");
    json.put("bnb_4bit_use_double_quant", !eight && how.doubleQuantisation());
    json.put("llm_int8_enable_fp32_cpu_offload", false);
    json.put("llm_int8_has_fp16_weight", false);
    json.putNull("llm_int8_skip_modules");
    json.put("llm_int8_threshold", 6.0);
    json.put("load_in_4bit", !eight);
    json.put("load_in_8bit", eight);
    json.put("quant_method", "bitsandbytes");
    return json;
  }
}
