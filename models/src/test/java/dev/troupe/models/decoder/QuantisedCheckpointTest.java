package dev.troupe.models.decoder;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.troupe.models.Golden;
import dev.troupe.models.checkpoint.Checkpoint;
import dev.troupe.models.checkpoint.CheckpointException;
import dev.troupe.models.checkpoint.DType;
import dev.troupe.models.checkpoint.JsonFile;
import dev.troupe.models.checkpoint.StoredWeight;
import dev.troupe.models.torch.Lanes;
import dev.troupe.protocol.data.Quantisation;
import dev.troupe.protocol.data.Storage;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.HexFormat;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Checkpoints in four and eight bits (make_quantised.py): every number is the peer's. */
final class QuantisedCheckpointTest {
  @TempDir private Path directory;

  @ParameterizedTest
  @ValueSource(
      strings = {"bnb-nf4", "bnb-fp4", "bnb-int8", "bnb-nf4-gpt2", "gptq", "gptq-v2", "awq"})
  void numbersAndLogits_areThePeers(String name) {
    Path path = Golden.path("quantised/" + name);
    JsonNode golden = Golden.json("quantised/" + name + "/expected.json");
    try (Checkpoint checkpoint = Checkpoint.open(path)) {
      golden
          .path("weights")
          .properties()
          .forEach(
              weight ->
                  assertThat(digest(checkpoint.floats(weight.getKey())))
                      .as(weight.getKey())
                      .isEqualTo(weight.getValue().asText()));
      assertThat(checkpoint.names()).hasSizeLessThanOrEqualTo(golden.path("weights").size());
    }
    double worst =
        Lanes.shared()
            .run(
                () -> {
                  try (BaseModel base = BaseModel.load(path)) {
                    return FamilyGoldenTest.worst(
                        base,
                        ParameterLayout.bare(base.config(), false),
                        new float[0],
                        golden,
                        "logits");
                  }
                });
    System.out.printf(Locale.ROOT, "%s: logits %.2e%n", name, worst);
    assertThat(worst).isLessThanOrEqualTo(1e-4);
  }

  /**
   * Codes and scales are taken over: what a base in such blocks has are the file's numbers, before
   * they are rounded to the type that its state names. GPT-2's are stored the other way round.
   */
  @ParameterizedTest
  @CsvSource({
    "bnb-nf4, NF4, 64, true, BF16",
    "bnb-nf4, NF4, 64, false, BF16",
    "bnb-nf4, NF4, 32, false, BF16",
    "bnb-fp4, FP4, 64, false, F32",
    "bnb-nf4-gpt2, NF4, 64, false, F16"
  })
  void baseInBlocks_takesCodesOver(
      String name, Storage storage, int block, boolean doubled, DType dtype) {
    Path path = Golden.path("quantised/" + name);
    Quantisation how = new Quantisation(storage, block, doubled);
    Lanes.shared()
        .run(
            () -> {
              try (BaseModel plain = BaseModel.load(path);
                  BaseModel held = BaseModel.load(path, Storage.FP32, Optional.of(how))) {
                List<StoredWeight> weights = plain.config().weights();
                int compared = 0;
                for (int i = 0; i < weights.size(); i++) {
                  if (HeldWeights.isMatrix(weights.get(i))) {
                    float[] found = held.floats(i);
                    for (int j = 0; j < found.length; j++) {
                      found[j] = dtype.rounded(found[j]);
                    }
                    assertThat(found).as(weights.get(i).slot().name()).isEqualTo(plain.floats(i));
                    compared++;
                  }
                }
                assertThat(compared).isEqualTo(4);
                return null;
              }
            });
  }

  /** A row's scale is that of each of its blocks; the product is rounded once, not twice. */
  @Test
  void baseInBytes_takesCodesOfRowsOver() {
    Path path = Golden.path("quantised/bnb-int8");
    Quantisation how = new Quantisation(Storage.INT8, 32, false);
    Lanes.shared()
        .run(
            () -> {
              try (BaseModel plain = BaseModel.load(path);
                  BaseModel held = BaseModel.load(path, Storage.FP32, Optional.of(how))) {
                List<StoredWeight> weights = plain.config().weights();
                for (int i = 0; i < weights.size(); i++) {
                  if (HeldWeights.isMatrix(weights.get(i))) {
                    float[] expected = plain.floats(i);
                    float[] found = held.floats(i);
                    for (int j = 0; j < found.length; j++) {
                      assertThat(Math.abs(found[j] - expected[j]))
                          .isLessThanOrEqualTo(2 * Math.ulp(expected[j]));
                    }
                  }
                }
                return null;
              }
            });
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "bnb-nf4 | up_proj.weight.absmax | the tensor 'model.layers.0.mlp.up_proj.weight.absmax' that it needs is missing",
        "bnb-nf4 | up_proj.weight.quant_map | the tensor 'model.layers.0.mlp.up_proj.weight.quant_map' that it needs is missing",
        "bnb-nf4 | up_proj.weight.nested_absmax | the tensor 'model.layers.0.mlp.up_proj.weight.nested_absmax' that it needs is missing",
        "bnb-nf4 | up_proj.weight.nested_quant_map | the tensor 'model.layers.0.mlp.up_proj.weight.nested_quant_map' that it needs is missing",
        "bnb-nf4 | up_proj.weight.quant_state.bitsandbytes__nf4 | the tensor"
            + " 'model.layers.0.mlp.up_proj.weight.quant_state.bitsandbytes__nf4' (or fp4) that it needs is missing",
        "bnb-int8 | up_proj.SCB | the tensor 'model.layers.0.mlp.up_proj.SCB' that it needs is missing",
        "gptq | up_proj.scales | the tensor 'model.layers.0.mlp.up_proj.scales' that it needs is missing",
        "awq | up_proj.qzeros | the tensor 'model.layers.0.mlp.up_proj.qzeros' that it needs is missing",
      })
  void missingState_isNamed(String name, String ending, String message) throws IOException {
    Path copy = without(name, ending);
    assertThatThrownBy(() -> Checkpoint.open(copy))
        .isInstanceOf(CheckpointException.class)
        .hasMessageContaining(
            copy.resolve("model.safetensors") + ": the weight 'model.layers.0.mlp.up_proj.")
        .hasMessageContaining(message);
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "{'quant_method':'hqq'} | quantization_config has the quant_method 'hqq'; read are bitsandbytes, gptq, awq. Use the checkpoint in"
            + " bf16, fp16 or fp32.",
        "{'quant_method':'gptq','bits':3} | quantization_config of gptq has bits 3; read are 4.",
        "{'quant_method':'awq','version':'gemv'} | quantization_config of awq has version 'gemv'; read is gemm.",
        "{'quant_method':'awq','zero_point':false} | quantization_config of awq has zero_point false; read is true.",
      })
  void formatThatIsNotRead_isNamed(String json, String message) throws IOException {
    Path copy = without("gptq", "nothing");
    ObjectNode config = JsonFile.read(copy.resolve("config.json"));
    config.set(
        "quantization_config",
        JsonFile.parse(json.replace('\'', '"').getBytes(StandardCharsets.UTF_8), "here"));
    JsonFile.write(copy.resolve("config.json"), config);
    assertThatThrownBy(() -> Checkpoint.open(copy))
        .hasMessage(copy.resolve("config.json") + ": " + message);
  }

  /** A state whose shape is not that of its codes. */
  @Test
  void sizesThatDoNotFit_areNamed() throws IOException {
    Path copy = without("bnb-nf4", "nothing");
    Path file = copy.resolve("model.safetensors");
    byte[] bytes = Files.readAllBytes(file);
    String text = new String(bytes, StandardCharsets.ISO_8859_1);
    int at = text.indexOf("\"blocksize\": 64");
    assertThat(at).isPositive();
    System.arraycopy("\"blocksize\": 32".getBytes(StandardCharsets.US_ASCII), 0, bytes, at, 15);
    Files.write(file, bytes);
    assertThatThrownBy(() -> Checkpoint.open(copy))
        .hasMessageContaining("weight.absmax': expected the shape [")
        .hasMessageContaining("], found [");
  }

  /** The checkpoint, its one tensor of that ending renamed. */
  private Path without(String name, String ending) throws IOException {
    Path copy = directory.resolve("copy");
    Files.createDirectories(copy);
    Path source = Golden.path("quantised/" + name);
    Files.copy(source.resolve("config.json"), copy.resolve("config.json"));
    byte[] bytes = Files.readAllBytes(source.resolve("model.safetensors"));
    int length = (int) ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN).getLong();
    String header = new String(bytes, 8, length, StandardCharsets.UTF_8);
    String own = ending + "\":";
    String other = "x".repeat(ending.length()) + "\":";
    byte[] changed = header.replace(own, other).getBytes(StandardCharsets.UTF_8);
    System.arraycopy(changed, 0, bytes, 8, length);
    Files.write(copy.resolve("model.safetensors"), bytes);
    return copy;
  }

  private static String digest(float[] numbers) {
    ByteBuffer bytes =
        ByteBuffer.allocate(Float.BYTES * numbers.length).order(ByteOrder.LITTLE_ENDIAN);
    bytes.asFloatBuffer().put(numbers);
    try {
      return HexFormat.of().formatHex(MessageDigest.getInstance("SHA-256").digest(bytes.array()));
    } catch (NoSuchAlgorithmException e) {
      throw new IllegalStateException(e);
    }
  }
}
