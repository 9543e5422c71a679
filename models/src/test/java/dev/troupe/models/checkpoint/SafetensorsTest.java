package dev.troupe.models.checkpoint;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.troupe.models.Golden;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.Map;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.constraints.IntRange;
import net.jqwik.api.constraints.Size;
import net.jqwik.api.lifecycle.AfterContainer;
import net.jqwik.api.lifecycle.BeforeContainer;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;

final class SafetensorsTest {
  private static Path fuzzed;
  private static byte[] intact;

  @BeforeContainer
  static void prepareFuzzing() throws IOException {
    fuzzed = Files.createTempFile("fuzzed", ".safetensors");
    intact = Files.readAllBytes(Golden.path("gqa-adapter").resolve("adapter_model.safetensors"));
  }

  @AfterContainer
  static void cleanUp() throws IOException {
    Files.delete(fuzzed);
  }

  @ParameterizedTest
  @EnumSource(DType.class)
  void write_thenRead_isRounded(DType dtype, @TempDir Path directory) {
    Path file = directory.resolve("a.safetensors");
    Map<String, TensorData> tensors = new LinkedHashMap<>();
    tensors.put("b", TensorData.of(new float[] {1, -2.5f, 0.3333333f, 1e-3f, 65504, -0f}, 2, 3));
    tensors.put("empty", TensorData.of(new float[0], 0, 4));
    tensors.put("a", TensorData.of(new float[] {7}));
    SafetensorsWriter.write(file, tensors, dtype);
    try (SafetensorsFile read = SafetensorsFile.open(file)) {
      assertThat(read.names()).containsExactly("b", "empty", "a");
      assertThat(read.metadata()).containsEntry("format", "pt");
      assertThat(read.shape("b")).isEqualTo(Shape.of(2, 3));
      assertThat(read.shape("a")).isEqualTo(Shape.of());
      assertThat(read.dtype("a")).isEqualTo(dtype);
      assertThat(read.floats("a")).containsExactly(7);
      assertThat(read.floats("empty")).isEmpty();
      assertThat(read.bytes("b").isReadOnly()).isTrue();
      assertThat(read.bytes("b").order()).isEqualTo(ByteOrder.LITTLE_ENDIAN);
      float[] values = read.floats("b");
      assertThat(values[1]).isEqualTo(-2.5f);
      // bf16 keeps 8 bits, fp16 11, fp32 24: 0.3333333 rounded to the nearest.
      float third =
          dtype == DType.F32 ? 0.3333333f : dtype == DType.F16 ? 1365 / 4096f : 171 / 512f;
      assertThat(values[2]).isEqualTo(third);
    }
    assertThat(directory.toFile().list()).containsExactly("a.safetensors");
  }

  @Test
  void write_tooLargeForHalf_isNamed(@TempDir Path directory) {
    Path file = directory.resolve("a.safetensors");
    assertThatThrownBy(
            () ->
                SafetensorsWriter.write(
                    file, Map.of("w", TensorData.of(new float[] {70000}, 1)), DType.F16))
        .isInstanceOf(CheckpointException.class)
        .hasMessage(
            file
                + ", tensor 'w': 70000.0 does not fit F16 (largest 65504); write BF16 or F32 instead.");
  }

  @Property(tries = 2000)
  void halves_roundTripAndRoundToNearest(@ForAll int bits) {
    float value = Float.intBitsToFloat(bits);
    float bf16 = DType.fromBf16(DType.toBf16(value));
    float f16 = DType.fromF16(DType.toF16(value));
    if (Float.isNaN(value)) {
      assertThat(bf16).isNaN();
      assertThat(f16).isNaN();
      return;
    }
    if (Float.isFinite(bf16)) {
      assertThat(Math.abs(bf16 - value))
          .isLessThanOrEqualTo(Math.max(Math.abs(value) / 256, Float.MIN_NORMAL));
      assertThat(DType.toBf16(bf16)).isEqualTo(DType.toBf16(value));
    }
    if (Math.abs(value) < 65520) {
      assertThat(Math.abs((double) f16 - value))
          .isLessThanOrEqualTo(Math.max(Math.abs(value) / 2048.0, 0x1p-25));
      assertThat(DType.toF16(f16)).isEqualTo(DType.toF16(value));
    } else {
      assertThat(f16).isInfinite();
    }
  }

  @Test
  void halves_allF16Values_comeBack() {
    for (int bits = 0; bits < 1 << 16; bits++) {
      float value = DType.fromF16((short) bits);
      if (!Float.isNaN(value)) {
        assertThat(DType.toF16(value)).isEqualTo((short) bits);
      }
    }
    assertThat(DType.fromF16((short) 0x3c01)).isEqualTo(1 + 0x1p-10f);
    assertThat(DType.fromF16((short) 0x0001)).isEqualTo(0x1p-24f);
    assertThat(DType.fromF16((short) 0xfbff)).isEqualTo(-65504f);
  }

  @Test
  void open_missingOrEmpty_saysSo(@TempDir Path directory) throws IOException {
    Path file = directory.resolve("model.safetensors");
    assertError(file, file + " does not exist.");
    Files.write(file, new byte[5]);
    assertError(
        file,
        file
            + " is truncated: a safetensors file starts with 8 bytes of header length, but it has 5 bytes.");
  }

  @Test
  void open_headerLargerThanFile_saysBoth(@TempDir Path directory) throws IOException {
    Path file = directory.resolve("model.safetensors");
    Files.write(
        file, ByteBuffer.allocate(20).order(ByteOrder.LITTLE_ENDIAN).putLong(1L << 40).array());
    assertError(
        file,
        file
            + " is truncated or not a safetensors file: it says that its header has 1099511627776 bytes, but 12 bytes follow"
            + " (and at most 100000000 are allowed). Download or copy it again.");
  }

  @Test
  void open_truncatedData_namesTheTensor(@TempDir Path directory) throws IOException {
    Path file = directory.resolve("model.safetensors");
    Path whole = Golden.path("linear-rope-fp32").resolve("model.safetensors");
    byte[] bytes = Files.readAllBytes(whole);
    Files.write(file, Arrays.copyOf(bytes, bytes.length - 100));
    assertThatThrownBy(() -> SafetensorsFile.open(file))
        .isInstanceOf(CheckpointException.class)
        .hasMessageMatching(
            ".*model\\.safetensors, tensor '.*': its bytes end at \\d+ of the data, but the file has only \\d+: it is truncated."
                + " Download or copy it again\\.");
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      quoteCharacter = '`',
      value = {
        "{'a':{'dtype':'I64','shape':[1],'data_offsets':[0,8]}} | , tensor 'a': expected dtype F32, F16 or BF16, found I64.",
        "{'a':{'shape':[2],'data_offsets':[0,8]}} | , tensor 'a': expected dtype F32, F16 or BF16, found none.",
        "{'a':{'dtype':'F32','shape':[3],'data_offsets':[0,8]}} | , tensor 'a': shape [3] of F32 needs 12 bytes, found 8.",
        "{'a':{'dtype':'F32','shape':[-1],'data_offsets':[0,8]}} | , tensor 'a': shape must be a list of whole numbers, found [-1].",
        "{'a':{'dtype':'F32','shape':[4294967296,4294967296],'data_offsets':[0,8]}} | , tensor 'a': shape [4294967296, 4294967296]"
            + " is larger than any file.",
        "{'a':{'dtype':'F32','shape':[2],'data_offsets':[8,0]}} | , tensor 'a': data_offsets must be [begin, end], found [8,0].",
        "{'a':{'dtype':'F32','shape':[1],'data_offsets':[4,8]}} | , tensor 'a': its bytes start at 4 of the data, expected 0:"
            + " tensors must follow one another without overlap or hole.",
        "{'a':{'dtype':'F32','shape':[2],'data_offsets':[0,8]},'b':{'dtype':'F32','shape':[1],'data_offsets':[4,8]}} | , tensor 'b':"
            + " its bytes start at 4 of the data, expected 8: tensors must follow one another without overlap or hole.",
        "{'a':{'dtype':'F32','shape':[1],'data_offsets':[0,4]}} | : its tensors end at 4 of the data, but the file has 8 bytes of data.",
        "{'a':7} | , tensor 'a': expected dtype F32, F16 or BF16, found none.",
        "[1, 2] | , header: expected a JSON object, found ARRAY.",
        "{'a':  | , header is not valid JSON (line 1):",
      })
  void open_wrongHeader_saysWhat(String header, String message, @TempDir Path directory)
      throws IOException {
    Path file = directory.resolve("model.safetensors");
    byte[] json = header.replace('\'', '"').getBytes(StandardCharsets.UTF_8);
    Files.write(
        file,
        ByteBuffer.allocate(8 + json.length + 8)
            .order(ByteOrder.LITTLE_ENDIAN)
            .putLong(json.length)
            .put(json)
            .array());
    assertThatThrownBy(() -> SafetensorsFile.open(file))
        .isInstanceOf(CheckpointException.class)
        .hasMessageStartingWith(file + message);
  }

  @Property(tries = 200)
  void open_truncatedAnywhere_isACheckpointException(@ForAll @IntRange(max = 48215) int length)
      throws IOException {
    Files.write(fuzzed, Arrays.copyOf(intact, length));
    assertThatThrownBy(() -> SafetensorsFile.open(fuzzed)).isInstanceOf(CheckpointException.class);
  }

  @Property(tries = 500)
  void open_bytesChanged_opensOrIsACheckpointException(
      @ForAll @Size(min = 1, max = 4) int[] positions,
      @ForAll @IntRange(min = 1, max = 255) int flip)
      throws IOException {
    byte[] bytes = intact.clone();
    for (int position : positions) {
      // Mostly in the header and its length, where it matters.
      bytes[Math.floorMod(position, 5600)] ^= (byte) flip;
    }
    Files.write(fuzzed, bytes);
    try (SafetensorsFile file = SafetensorsFile.open(fuzzed)) {
      for (String name : file.names()) {
        assertThat(file.floats(name)).hasSize((int) file.shape(name).elements());
      }
    } catch (CheckpointException e) {
      assertThat(e).hasMessageStartingWith(fuzzed.toString());
    }
  }

  private static void assertError(Path file, String message) {
    assertThatThrownBy(() -> SafetensorsFile.open(file))
        .isInstanceOf(CheckpointException.class)
        .hasMessage(message);
  }
}
