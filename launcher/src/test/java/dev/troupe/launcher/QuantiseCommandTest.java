package dev.troupe.launcher;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.IOException;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** What {@code troupe quantise} says; what it writes is the models' to test. */
class QuantiseCommandTest {
  @TempDir Path directory;

  private final StringWriter out = new StringWriter();
  private final StringWriter err = new StringWriter();

  @Test
  void model_isWrittenAndEachLayersErrorTold() throws IOException {
    Files.createDirectory(directory.resolve("t"));
    Files.writeString(directory.resolve("t/tokenizer.json"), "{}");
    Files.writeString(directory.resolve("t/tokenizer_config.json"), "{}");
    assertThat(run("bench", "model", path("m"), "--shape", "tiny", "--tokenizer", path("t")))
        .as(err.toString())
        .isEqualTo(0);
    assertThat(run("quantise", path("m"), path("q"), "--json", path("errors.json"), "--compare"))
        .as(err.toString())
        .isEqualTo(0);
    assertThat(out.toString())
        .contains("error of NF4 in blocks of 64, scales in eight bits, by layer")
        .contains("model.layers.0.mlp.down_proj.weight")
        .contains("int8 zero point, per channel")
        .contains("wrote " + path("q") + " in NF4 in blocks of 64, scales in eight bits");
    JsonNode layers =
        OutputJson.mapper().readTree(directory.resolve("errors.json").toFile()).path("layers");
    assertThat(layers).hasSizeGreaterThan(6);
    assertThat(
            layers
                .get(0)
                .path("errors")
                .path("NF4 in blocks of 64, scales in eight bits")
                .path("relative")
                .asDouble())
        .isBetween(0.05, 0.15);
    // What is read again comes out as it went in.
    assertThat(run("quantise", path("q"), "--dtype", "fp32", "--no-double-quantisation"))
        .as(err.toString())
        .isEqualTo(0);
  }

  @Test
  void whatIsWrong_isNamed() {
    assertThat(run("quantise", path("none"))).isEqualTo(2);
    assertThat(err.toString()).startsWith("error: " + path("none") + ": no such directory");
    assertThat(run("quantise", path("m"), "--block-size", "48")).isEqualTo(2);
    assertThat(err.toString())
        .endsWith("error: --block-size 48 is no block; expected a power of two from 32 to 4096\n");
    assertThat(run("quantise", path("m"), "--storage", "int3")).isEqualTo(2);
    assertThat(err.toString())
        .contains("one of [NF4, FP4, INT8] (case-insensitive) but was 'int3'");
  }

  private String path(String name) {
    return directory.resolve(name).toString();
  }

  private int run(String... arguments) {
    return Troupe.execute(new PrintWriter(out, true), new PrintWriter(err, true), arguments);
  }
}
