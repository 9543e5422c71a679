package dev.troupe.models.quantisation;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import com.fasterxml.jackson.databind.JsonNode;
import dev.troupe.models.Golden;
import dev.troupe.models.checkpoint.DType;
import dev.troupe.protocol.data.Quantisation;
import dev.troupe.protocol.data.Storage;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.HexFormat;
import java.util.List;
import java.util.Locale;
import java.util.Random;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.MethodSource;

/** Codes, scales and numbers of blocks against bitsandbytes' (make_blocks.py) and by hand. */
class BlocksTest {
  private static final JsonNode GOLDEN = Golden.json("blocks.json");

  static List<JsonNode> cases() {
    return GOLDEN.path("cases").valueStream().toList();
  }

  /** As make_blocks.py makes them. */
  private static float[] numbers(JsonNode of) {
    int count = of.path("shape").get(0).asInt() * of.path("shape").get(1).asInt();
    float[] numbers = new float[count];
    for (int i = 64; i < count; i++) {
      float x = ((7919L * i + 104729L * of.path("k").asLong()) % 65521 - 32760) / 32768f;
      numbers[i] = stored(x * x * x, of.path("dtype").asText("float16"));
    }
    return numbers;
  }

  private static float stored(float x, String dtype) {
    return switch (dtype) {
      case "bfloat16" -> DType.fromBf16(DType.toBf16(x));
      case "float16" -> DType.fromF16(DType.toF16(x));
      default -> x;
    };
  }

  private static HeldLayout layout(JsonNode of, boolean doubled) {
    Storage storage = Storage.valueOf(of.path("storage").asText().toUpperCase(Locale.ROOT));
    return HeldLayout.of(
        of.path("shape").get(0).asInt(),
        of.path("shape").get(1).asInt(),
        new Quantisation(storage, of.path("block").asInt(), doubled));
  }

  private static ByteBuffer held(HeldLayout layout, float[] numbers, HeldNumbers.Mean mean) {
    ByteBuffer bytes = ByteBuffer.wrap(new byte[Math.toIntExact(layout.bytes())]);
    HeldNumbers.put(layout, 0, bytes, numbers, mean);
    return bytes;
  }

  private static float plainMean(float[] numbers) {
    double sum = 0;
    for (float number : numbers) {
      sum += number;
    }
    return (float) (sum / numbers.length);
  }

  @ParameterizedTest
  @MethodSource("cases")
  void codesScalesAndNumbers_areBitsandbytes(JsonNode expected) {
    HeldLayout layout = layout(expected, false);
    ByteBuffer bytes = held(layout, numbers(expected), BlocksTest::plainMean);
    byte[] codes = bytes(bytes, 0, Math.toIntExact(layout.scales(0)));
    float[] scales = HeldNumbers.scales(layout, 0, bytes);
    assertThat(unsigned(codes, 0)).isEqualTo(ints(expected.path("firstCodes")));
    assertThat(unsigned(codes, codes.length - 16)).isEqualTo(ints(expected.path("lastCodes")));
    assertThat(digest(codes)).isEqualTo(expected.path("codes").asText());
    assertThat(digest(scales)).isEqualTo(expected.path("scales").asText());
    assertThat(digest(HeldNumbers.of(layout, 0, bytes)))
        .isEqualTo(expected.path("numbers").asText());
  }

  /** The mean is given, as torch adds up in an order of its own. */
  @ParameterizedTest
  @MethodSource("cases")
  void scalesInEightBits_areOfBitsandbytesTable(JsonNode expected) {
    JsonNode nested = expected.path("nested");
    HeldLayout layout = layout(expected, true);
    ByteBuffer bytes = held(layout, numbers(expected), x -> nested.path("offset").floatValue());
    int from = Math.toIntExact(layout.scales(0));
    byte[] codes = bytes(bytes, from, nested.path("of").asInt());
    assertThat(unsigned(codes, 0)).isEqualTo(ints(nested.path("firstCodes")));
    assertThat(unsigned(codes, Math.max(0, codes.length - 16)))
        .isEqualTo(ints(nested.path("lastCodes")));
    assertThat(digest(codes)).isEqualTo(nested.path("codes").asText());
    assertThat(digest(HeldNumbers.scales(layout, 0, bytes)))
        .isEqualTo(nested.path("scales").asText());
  }

  @Test
  void numbersOfScales_areThoseOfBitsandbytes() {
    float[] expected = new float[256];
    for (int i = 0; i < expected.length; i++) {
      expected[i] = GOLDEN.path("scaleNumbers").get(i).floatValue();
    }
    assertThat(ScaleNumbers.numbers()).containsExactly(expected);
  }

  /** By hand: a block's largest magnitude is kept exactly, the rest within half a step. */
  @ParameterizedTest
  @EnumSource(
      value = Storage.class,
      names = {"NF4", "FP4", "INT8"})
  void numbers_comeOutWithinHalfAStep(Storage storage) {
    long seed = new Random().nextLong();
    Random random = new Random(seed);
    HeldLayout layout = HeldLayout.of(16, 64, new Quantisation(storage, 64, false));
    float[] numbers = new float[16 * 64];
    for (int i = 0; i < numbers.length; i++) {
      numbers[i] = (float) random.nextGaussian();
    }
    float[] found = HeldNumbers.of(layout, 0, held(layout, numbers, BlocksTest::plainMean));
    double widest = storage == Storage.INT8 ? 1 / 254.0 : storage == Storage.NF4 ? 0.152 : 0.167;
    for (int i = 0; i < numbers.length; i++) {
      int block = i / 64 * 64;
      double largest =
          IntStream.range(block, block + 64).mapToDouble(k -> Math.abs(numbers[k])).max().orElse(0);
      assertThat((double) found[i])
          .as("seed %d, number %d", seed, i)
          .isEqualTo(numbers[i], within(widest * largest * 1.0001));
      if (Math.abs(numbers[i]) == largest) {
        assertThat(Math.abs(found[i])).isEqualTo(Math.abs(numbers[i]), within(1e-6f));
      }
    }
  }

  @Test
  void int8_byHand() {
    Quantisation how = new Quantisation(Storage.INT8, 32, false);
    float[] numbers = new float[32];
    numbers[0] = -2;
    numbers[1] = 1;
    numbers[2] = 0.5f / 127 * 2; // a half step: to even
    ByteBuffer codes = ByteBuffer.allocate(32);
    float[] scales = new float[1];
    Blocks.quantise(how, numbers, 0, 32, codes, 0, scales, 0);
    assertThat(scales).containsExactly(2f / 127);
    assertThat(bytes(codes, 0, 3)).containsExactly((byte) -127, (byte) 64, (byte) 0);
  }

  @Test
  void sizesThatAreNoMultipleOfTheBlock_areRefusedByName() {
    assertThatThrownBy(() -> HeldLayout.of(10, 30, new Quantisation(Storage.NF4, 64, false)))
        .hasMessage(
            "a matrix [10, 30] has 300 numbers, which are no multiple of a block of 64: it cannot be"
                + " held in NF4. Let engine.base.block-size be a divisor, or engine.base.storage be"
                + " auto");
    assertThatThrownBy(() -> new Quantisation(Storage.NF4, 48, true))
        .hasMessage("a block of 48 numbers; expected a power of two from 32 to 4096");
    assertThatThrownBy(() -> new Quantisation(Storage.BF16, 64, true))
        .hasMessage("a base is not held in blocks of BF16; expected one of [INT8, NF4, FP4]");
  }

  private static byte[] bytes(ByteBuffer all, int from, int count) {
    byte[] some = new byte[count];
    all.get(from, some);
    return some;
  }

  /** Sixteen of them, or what there is. */
  private static List<Integer> unsigned(byte[] bytes, int from) {
    return IntStream.range(from, Math.min(bytes.length, from + 16))
        .mapToObj(i -> bytes[i] & 0xff)
        .toList();
  }

  private static List<Integer> ints(JsonNode array) {
    return array.valueStream().map(JsonNode::asInt).toList();
  }

  private static String digest(float[] numbers) {
    ByteBuffer bytes =
        ByteBuffer.allocate(Float.BYTES * numbers.length).order(ByteOrder.LITTLE_ENDIAN);
    for (float number : numbers) {
      bytes.putFloat(number);
    }
    return digest(bytes.array());
  }

  private static String digest(byte[] bytes) {
    try {
      return HexFormat.of().formatHex(MessageDigest.getInstance("SHA-256").digest(bytes));
    } catch (NoSuchAlgorithmException e) {
      throw new IllegalStateException(e);
    }
  }
}
