package dev.troupe.models.checkpoint.quantised;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.troupe.models.checkpoint.CheckpointException;
import dev.troupe.models.checkpoint.DType;
import dev.troupe.models.checkpoint.JsonFile;
import dev.troupe.models.checkpoint.Shape;
import dev.troupe.models.quantisation.Blocks;
import dev.troupe.models.quantisation.FourBits;
import dev.troupe.models.quantisation.HeldScales;
import dev.troupe.models.quantisation.ScaleNumbers;
import dev.troupe.models.quantisation.StoredBlocks;
import dev.troupe.protocol.data.Quantisation;
import dev.troupe.protocol.data.Storage;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.OptionalDouble;
import java.util.Set;

/**
 * Weights as bitsandbytes serialises them: NF4 and FP4 in blocks (Dettmers et al.,
 * arXiv:2305.14314), and whole numbers of eight bits with a scale for each row (LLM.int8,
 * arXiv:2208.07339). Numbers that come out are those of its own {@code dequantize_4bit}, rounded to
 * the type that the state names, and {@code int8_vectorwise_dequant}, bit for bit.
 */
final class BitsAndBytesFiles implements PackedFormat {
  private static final String STATE = ".quant_state.bitsandbytes__";
  private static final String ROW_SCALES = "SCB";

  /** 1 / 127 as bitsandbytes multiplies by it. */
  private static final float STEP = 0.007874016f;

  /**
   * What a state says beside its tensors.
   *
   * @param nestedOffset where scales are held in eight bits
   */
  private record State(
      Storage storage, int blockSize, DType dtype, Shape shape, OptionalDouble nestedOffset) {}

  @Override
  public List<Packed> weights(StoredTensors tensors) {
    List<Packed> found = new ArrayList<>();
    for (String name : tensors.names()) {
      int state = name.indexOf(STATE);
      if (state > 0) {
        found.add(fourBits(tensors, name.substring(0, state), name));
      } else if (name.endsWith(".weight") && tensors.type(name).equals("I8")) {
        found.add(eightBits(tensors, name));
      }
    }
    Set<String> known =
        Set.copyOf(found.stream().flatMap(weight -> weight.parts().stream()).toList());
    for (String name : tensors.names()) {
      if (!known.contains(name) && name.endsWith(".weight") && tensors.type(name).equals("U8")) {
        throw new CheckpointException(
            tensors.path(name)
                + ": the weight '"
                + name
                + "' is quantised, and the tensor '"
                + name
                + STATE
                + "nf4' (or fp4) that it needs is missing. Download the checkpoint again, or use one in bf16, fp16 or fp32.");
      }
    }
    return found;
  }

  private static Packed fourBits(StoredTensors tensors, String weight, String stateName) {
    if (!tensors.has(weight)) {
      throw new CheckpointException(
          tensors.path(stateName)
              + " has the state '"
              + stateName
              + "' of a weight '"
              + weight
              + "', which is missing.");
    }
    State state = state(tensors, stateName);
    String absmax = weight + ".absmax";
    String map = weight + ".quant_map";
    boolean nested = state.nestedOffset().isPresent();
    tensors.require(weight, absmax, nested ? "U8" : "F32");
    tensors.require(weight, map, "F32");
    tensors.requireShape(map, Shape.of(16));
    long numbers = state.shape().elements();
    int blocks = Math.toIntExact(numbers / state.blockSize());
    if (numbers % state.blockSize() != 0 || state.shape().dimensions().size() != 2) {
      throw new CheckpointException(
          tensors.path(weight)
              + ": the weight '"
              + weight
              + "' has the shape "
              + state.shape()
              + ", "
              + numbers
              + " numbers, which are no multiple of its block of "
              + state.blockSize()
              + ". Use the checkpoint in bf16, fp16 or fp32.");
    }
    tensors.requireShape(absmax, Shape.of(blocks));
    if (tensors.bytes(weight).remaining() != numbers / 2) {
      throw tensors.wrong(
          weight,
          numbers / 2 + " bytes for the shape " + state.shape() + " of its state",
          tensors.bytes(weight).remaining() + "");
    }
    List<String> parts = new ArrayList<>(List.of(weight, stateName, absmax, map));
    if (nested) {
      tensors.require(weight, weight + ".nested_absmax", "F32");
      tensors.requireShape(
          weight + ".nested_absmax", Shape.of((blocks + HeldScales.GROUP - 1) / HeldScales.GROUP));
      tensors.require(weight, weight + ".nested_quant_map", "F32");
      tensors.requireShape(weight + ".nested_quant_map", Shape.of(256));
      parts.add(weight + ".nested_absmax");
      parts.add(weight + ".nested_quant_map");
    }
    return new Packed(
        weight,
        parts,
        state.shape(),
        () -> numbers(tensors, weight, state),
        Optional.of(() -> blocks(tensors, weight, state)));
  }

  private static State state(StoredTensors tensors, String name) {
    tensors.require(name, name, "U8");
    ByteBuffer bytes = tensors.bytes(name);
    byte[] text = new byte[bytes.remaining()];
    bytes.get(text);
    String where = tensors.path(name) + ", tensor '" + name + "'";
    ObjectNode json = JsonFile.parse(text, where);
    String type = json.path("quant_type").asText("");
    int blockSize = json.path("blocksize").asInt(0);
    Optional<DType> dtype =
        Arrays.stream(DType.values())
            .filter(known -> known.torchName().equals(json.path("dtype").asText("")))
            .findFirst();
    List<Long> shape = new ArrayList<>();
    json.path("shape").forEach(length -> shape.add(length.asLong()));
    if (!Set.of("nf4", "fp4").contains(type)
        || !Quantisation.isBlock(blockSize)
        || dtype.isEmpty()
        || shape.isEmpty()
        || shape.stream().anyMatch(length -> length < 1)) {
      throw new CheckpointException(
          where
              + ": expected a quant_type of nf4 or fp4, a blocksize from 32 to 4096, a dtype of float32, float16 or bfloat16 and a shape,"
              + " found "
              + json
              + ".");
    }
    JsonNode offset = json.path("nested_offset");
    if (!offset.isMissingNode()
        && (!offset.isNumber()
            || json.path("nested_blocksize").asInt() != HeldScales.GROUP
            || !json.path("nested_dtype").asText("").equals("float32"))) {
      throw new CheckpointException(
          where
              + ": expected scales in eight bits with a nested_blocksize of 256, a nested_dtype of float32 and a nested_offset, found "
              + json
              + ".");
    }
    return new State(
        Storage.valueOf(type.toUpperCase(Locale.ROOT)),
        blockSize,
        dtype.get(),
        new Shape(shape),
        offset.isNumber() ? OptionalDouble.of(offset.doubleValue()) : OptionalDouble.empty());
  }

  /** The scale of each block, by the file's own numbers. */
  private static float[] scales(StoredTensors tensors, String weight, State state) {
    if (state.nestedOffset().isEmpty()) {
      return tensors.floats(weight + ".absmax");
    }
    return inEightBits(tensors, weight, state)
        .numbers(tensors.floats(weight + ".nested_quant_map"));
  }

  private static HeldScales inEightBits(StoredTensors tensors, String weight, State state) {
    ByteBuffer bytes = tensors.bytes(weight + ".absmax");
    byte[] codes = new byte[bytes.remaining()];
    bytes.get(codes);
    return new HeldScales(
        codes,
        tensors.floats(weight + ".nested_absmax"),
        (float) state.nestedOffset().orElseThrow());
  }

  private static float[] numbers(StoredTensors tensors, String weight, State state) {
    float[] numbers = new float[Math.toIntExact(state.shape().elements())];
    Blocks.numbers(
        tensors.floats(weight + ".quant_map"),
        state.blockSize(),
        tensors.bytes(weight),
        0,
        scales(tensors, weight, state),
        numbers);
    for (int i = 0; i < numbers.length; i++) {
      numbers[i] = state.dtype().rounded(numbers[i]);
    }
    return numbers;
  }

  /**
   * As it can be taken over: where the file's maps are bitsandbytes' own, which is what codes mean
   * here.
   */
  private static StoredBlocks blocks(StoredTensors tensors, String weight, State state) {
    requireMap(tensors, weight + ".quant_map", FourBits.numbers(state.storage()));
    boolean nested = state.nestedOffset().isPresent();
    if (nested) {
      requireMap(tensors, weight + ".nested_quant_map", ScaleNumbers.numbers());
    }
    return new StoredBlocks(
        state.storage(),
        state.blockSize(),
        tensors.bytes(weight),
        scales(tensors, weight, state),
        nested ? Optional.of(inEightBits(tensors, weight, state)) : Optional.empty());
  }

  private static void requireMap(StoredTensors tensors, String name, float[] expected) {
    if (!Arrays.equals(tensors.floats(name), expected)) {
      throw new CheckpointException(
          tensors.path(name)
              + ", tensor '"
              + name
              + "': codes mean other numbers than in bitsandbytes, so that they cannot be held as they are. Let engine.base.storage be auto.");
    }
  }

  private static Packed eightBits(StoredTensors tensors, String weight) {
    String prefix = weight.substring(0, weight.length() - "weight".length());
    String scales = prefix + ROW_SCALES;
    String format = prefix + "weight_format";
    tensors.require(weight, scales, "F32");
    Shape shape = tensors.shape(weight);
    if (shape.dimensions().size() != 2) {
      throw tensors.wrong(weight, "rows and columns", "the shape " + shape);
    }
    tensors.requireShape(scales, Shape.of(shape.dimensions().get(0)));
    List<String> parts = new ArrayList<>(List.of(weight, scales));
    if (tensors.has(format)) {
      tensors.require(weight, format, "U8");
      int kind = tensors.bytes(format).get(0);
      if (kind != 0) {
        throw tensors.wrong(
            format, "0, rows as they are", kind + ", an order of a GPU's, which is not read");
      }
      parts.add(format);
    }
    return new Packed(
        weight,
        parts,
        shape,
        () -> rows(tensors, weight, scales, shape),
        Optional.of(() -> rowBlocks(tensors, weight, scales, shape)));
  }

  private static StoredBlocks rowBlocks(
      StoredTensors tensors, String weight, String scales, Shape shape) {
    float[] ofRow = tensors.floats(scales);
    for (int i = 0; i < ofRow.length; i++) {
      ofRow[i] *= STEP;
    }
    return new StoredBlocks(
        Storage.INT8,
        Math.toIntExact(shape.dimensions().get(1)),
        tensors.bytes(weight),
        ofRow,
        Optional.empty());
  }

  private static float[] rows(StoredTensors tensors, String weight, String scales, Shape shape) {
    float[] ofRow = tensors.floats(scales);
    int columns = Math.toIntExact(shape.dimensions().get(1));
    ByteBuffer codes = tensors.bytes(weight);
    float[] numbers = new float[Math.toIntExact(shape.elements())];
    for (int i = 0; i < numbers.length; i++) {
      numbers[i] = ofRow(codes.get(i), ofRow[i / columns]);
    }
    return numbers;
  }

  /** What a code of a row stands for. */
  static float ofRow(byte code, float scale) {
    float scaled = code * scale;
    return scaled * STEP;
  }
}
