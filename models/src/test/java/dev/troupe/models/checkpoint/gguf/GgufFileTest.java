package dev.troupe.models.checkpoint.gguf;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.troupe.models.Golden;
import dev.troupe.models.checkpoint.CheckpointException;
import dev.troupe.models.checkpoint.Shape;
import java.io.IOException;
import java.nio.DoubleBuffer;
import java.nio.LongBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

final class GgufFileTest {
  private static final Path TYPES = Golden.path("gguf/types.gguf");

  @TempDir Path directory;

  @ParameterizedTest
  @EnumSource(mode = EnumSource.Mode.EXCLUDE, names = "F32")
  void eachType_isDequantisedToTheBit_asByTheGgufPackage(GgufType type) {
    try (GgufFile file = GgufFile.open(TYPES)) {
      assertThat(file.tensors().get(type.name()).type()).isEqualTo(type);
      assertThat(file.tensors().get(type.name()).shape()).isEqualTo(Shape.of(2, 512));
      float[] expected = file.floats(type.name() + ".expected");
      assertThat(expected).hasSize(1024).doesNotContain(Float.NaN);
      assertThat(Arrays.stream(box(expected)).distinct().count()).isGreaterThan(20);
      assertThat(file.floats(type.name())).containsExactly(expected);
    }
  }

  private static Float[] box(float[] values) {
    Float[] boxed = new Float[values.length];
    Arrays.setAll(boxed, i -> values[i]);
    return boxed;
  }

  @Test
  void metadata_isTyped() {
    try (GgufFile file = GgufFile.open(TYPES)) {
      assertThat(file.version()).isEqualTo(3);
      assertThat(file.metadata())
          .containsEntry("general.architecture", new GgufValue.Text("llama"))
          .containsEntry("test.uint8", new GgufValue.Whole(200))
          .containsEntry("test.int8", new GgufValue.Whole(-3))
          .containsEntry("test.uint16", new GgufValue.Whole(60_000))
          .containsEntry("test.int16", new GgufValue.Whole(-300))
          .containsEntry("test.uint32", new GgufValue.Whole(4_000_000_000L))
          .containsEntry("test.int32", new GgufValue.Whole(-70_000))
          .containsEntry("test.uint64", new GgufValue.Whole(1L << 40))
          .containsEntry("test.int64", new GgufValue.Whole(-(1L << 40)))
          .containsEntry("test.float32", new GgufValue.Real(0.5))
          .containsEntry("test.float64", new GgufValue.Real(0.1))
          .containsEntry("test.bool", new GgufValue.Flag(true))
          .containsEntry("test.string", new GgufValue.Text("Grüße 🦙"))
          .containsEntry("test.strings", new GgufValue.Texts(List.of("a", "", "▁b")))
          .containsEntry("test.ints", new GgufValue.Wholes(LongBuffer.wrap(new long[] {1, -2, 3})))
          .containsEntry(
              "test.floats", new GgufValue.Reals(DoubleBuffer.wrap(new double[] {0.5, -1.25})))
          .containsEntry("test.bools", new GgufValue.Flags(List.of(true, false)));
    }
  }

  @Test
  void version2_andAnAlignmentOfItsOwn_areRead() {
    Path path =
        new GgufBytes()
            .raw("GGUF")
            .int32(2)
            .int64(1)
            .int64(1)
            .key("general.alignment", 64)
            .tensor("a", 0, 0, 3)
            .data(96)
            .write(directory);
    try (GgufFile file = GgufFile.open(path)) {
      assertThat(file.version()).isEqualTo(2);
      assertThat(file.tensors().get("a").offset()).isEqualTo(128);
      assertThat(file.floats("a")).containsExactly(0, 0, 0);
    }
  }

  @Test
  void notAGgufFile_isRefused() {
    refuses(new GgufBytes().raw("PK\3\4, a zip").data(64), "begins with the bytes 50 4b 03 04");
    refuses(new GgufBytes().raw("GGML").data(64), "begins with \"GGML\", expected \"GGUF\"");
    refuses(new GgufBytes(), "ends at byte 0, within the magic number: it is truncated");
  }

  @Test
  void otherVersionsAndByteOrders_areRefused() {
    refuses(
        new GgufBytes().raw("GGUF").int32(1).data(64),
        "version 1; versions 2 and 3 are read. Convert the model again with a current llama.cpp");
    refuses(new GgufBytes().raw("GGUF").int32(4).data(64), "version 4; versions 2 and 3 are read.");
    refuses(
        new GgufBytes().raw("GGUF").int32(3 << 24).data(64),
        "is a big-endian GGUF file (version 3); only little-endian files are read");
  }

  @Test
  void countsBeyondTheFile_areRefusedBeforeAnythingIsAllocated() {
    refuses(
        GgufBytes.header(1L << 40, 0).data(64),
        "number of tensors: claims 1099511627776, each of at least 24 bytes, but only");
    refuses(GgufBytes.header(0, 1_000_000).data(64), "number of keys: claims 1000000, each");
    refuses(GgufBytes.header(0, -1).data(64), "number of keys: 18446744073709551615 is more than");
    refuses(
        GgufBytes.header(0, 1).int64(1L << 33).data(64),
        "key 0, length of a text: claims 8589934592");
    refuses(
        GgufBytes.header(0, 1)
            .text("t")
            .int32(GgufBytes.ARRAY)
            .int32(GgufBytes.STRING)
            .int64(100)
            .data(96),
        "key 't', a list's length: claims 100, each of at least 8 bytes");
  }

  @Test
  void valuesOfUnknownKinds_areRefused() {
    refuses(
        GgufBytes.header(0, 1).text("k").int32(13).data(64),
        "key 'k': unknown value type 13; expected 0 to 12");
    refuses(
        GgufBytes.header(0, 1).text("k").int32(GgufBytes.ARRAY).int32(GgufBytes.ARRAY).data(64),
        "key 'k': a list of lists");
    refuses(
        GgufBytes.header(0, 1).text("k").int32(7).int32(2).data(64),
        "key 'k': expected 0 or 1 for false or true, found 2");
  }

  @Test
  void duplicates_areRefused() {
    refuses(GgufBytes.header(0, 2).key("k", 1).key("k", 2).data(64), "the key 'k' is there twice");
    refuses(
        GgufBytes.header(2, 0).tensor("a", 0, 0, 8).tensor("a", 0, 32, 8).data(64),
        "the tensor 'a' is there twice");
  }

  @Test
  void tensorsThatAreNotRead_areRefusedByName() {
    refuses(
        GgufBytes.header(1, 0).tensor("blk.0.attn_q.weight", 10, 0, 256).data(84),
        "tensor 'blk.0.attn_q.weight': its type is Q2_K, which is not read. Read are F32, F16, Q4_0");
    refuses(
        GgufBytes.header(1, 0).tensor("a", 77, 0, 256).data(84),
        "tensor 'a': its type is of unknown number 77, which is not read");
  }

  @Test
  void tensorsThatDoNotFit_areRefused() {
    refuses(
        GgufBytes.header(1, 0).tensor("a", 0, 0, 8, 4).data(127),
        "tensor 'a': its 128 bytes ([4, 8] of F32) from 0 on do not fit the file, which has 127 bytes");
    refuses(
        GgufBytes.header(1, 0).tensor("a", 0, Long.MAX_VALUE - 31, 8).data(64),
        "do not fit the file");
    refuses(
        GgufBytes.header(1, 0).tensor("a", 0, 0, 1L << 40, 1L << 40).data(64),
        "tensor 'a': shape [1099511627776, 1099511627776] is larger than any file");
    refuses(
        GgufBytes.header(1, 0).tensor("a", 8, 0, 33).data(64),
        "tensor 'a': its rows have 33 numbers, but Q8_0 stores them by 32");
    refuses(
        GgufBytes.header(1, 0).tensor("a", 0, 4, 8).data(64),
        "tensor 'a': its offset 4 is not a multiple of the alignment 32");
    refuses(
        GgufBytes.header(1, 0).tensor("a", 0, 0, 1, 1, 1, 1, 1).data(64),
        "tensor 'a': has 5 dimensions; at most 4 are possible");
    refuses(
        GgufBytes.header(2, 0).tensor("a", 0, 0, 16).tensor("b", 0, 32, 8).data(64),
        "tensor 'b': it begins within the bytes of 'a'");
    refuses(
        GgufBytes.header(0, 1).key("general.alignment", 48).data(64),
        "general.alignment must be a power of two");
  }

  private void refuses(GgufBytes bytes, String message) {
    Path path = bytes.write(directory);
    assertThatThrownBy(() -> GgufFile.open(path).close())
        .isInstanceOf(CheckpointException.class)
        .hasMessageContaining(message)
        .hasMessageContaining(path.toString());
  }

  @Test
  void everyTruncation_isRefused() throws IOException {
    byte[] intact = Files.readAllBytes(TYPES);
    Path path = directory.resolve("cut.gguf");
    for (int length = 0; length < intact.length; length += length < 3000 ? 1 : 997) {
      Files.write(path, Arrays.copyOf(intact, length));
      assertThatThrownBy(() -> GgufFile.open(path).close())
          .isInstanceOf(CheckpointException.class)
          .hasMessageContaining("cut.gguf");
    }
  }

  @Test
  void damagedFiles_areReadOrRefused_nothingElse() throws IOException {
    byte[] intact = Files.readAllBytes(TYPES);
    Path path = directory.resolve("damaged.gguf");
    Random random = new Random(7);
    for (int round = 0; round < 500; round++) {
      byte[] damaged = intact.clone();
      for (int i = 0; i <= random.nextInt(4); i++) {
        damaged[random.nextInt(2600)] = (byte) random.nextInt(256);
      }
      Files.write(path, damaged);
      try (GgufFile file = GgufFile.open(path)) {
        file.tensors().keySet().forEach(file::floats);
      } catch (CheckpointException e) {
        assertThat(e).hasMessageContaining("damaged.gguf");
      }
    }
  }
}
