package dev.troupe.launcher;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.PrintWriter;
import java.io.StringWriter;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** The export's command line; what it writes is the models' to test. */
class ExportCommandTest {
  @TempDir Path directory;

  private final StringWriter out = new StringWriter();
  private final StringWriter err = new StringWriter();

  @Test
  void outputIsRequired() {
    assertThat(run("export", directory.toString())).isEqualTo(2);
    assertThat(err.toString())
        .isEqualTo("error: Missing required option: '--output=DIR'\nsee: troupe export --help\n");
  }

  @Test
  void peftWithoutAdapter_saysWhatIsMissing() {
    assertThat(run("export", directory.toString(), "--format", "peft", "--output", path("out")))
        .isEqualTo(2);
    assertThat(err.toString())
        .isEqualTo("error: --format peft writes an adapter: name it with --adapter DIR\n");
  }

  @Test
  void unknownFormatAndType_nameWhatThereIs() {
    assertThat(run("export", path("m"), "--format", "onnx", "--output", path("out"))).isEqualTo(2);
    assertThat(err.toString())
        .contains("one of [HF, PEFT, GGUF] (case-insensitive) but was 'onnx'");
    assertThat(run("export", path("m"), "--dtype", "int4", "--output", path("out"))).isEqualTo(2);
    assertThat(err.toString())
        .contains("one of [FP32, BF16, FP16, Q8_0] (case-insensitive) but was 'int4'");
  }

  @Test
  void missingDirectories_areNamed() {
    assertThat(run("export", path("none"), "--output", path("out"))).isEqualTo(2);
    assertThat(err.toString())
        .startsWith("error: " + path("none") + ": no such directory; a model is a directory");
  }

  @Test
  void typesOfOtherFormats_areRefused() {
    String here = directory.toString();
    assertThat(run("export", here, "--dtype", "q8_0", "--output", path("out"))).isEqualTo(2);
    assertThat(err.toString())
        .isEqualTo("error: --dtype q8_0 goes with --format gguf; found --format hf\n");
    assertThat(run("export", here, "--format", "gguf", "--dtype", "bf16", "--output", path("out")))
        .isEqualTo(2);
    assertThat(err.toString()).endsWith("error: --format gguf writes fp16 or q8_0, not bf16\n");
  }

  @ParameterizedTest
  @CsvSource({"2GB, 2000000000", "500mb, 500000000", "1.5 GiB, 1610612736", "7B, 7"})
  void sizes(String written, long bytes) {
    assertThat(new ByteSize.Converter().convert(written).bytes()).isEqualTo(bytes);
  }

  @ParameterizedTest
  @CsvSource({"2", "GB", "-1GB", "0B", "1e9B", "2PB"})
  void otherSizes_areRefused(String written) {
    int code = run("export", path("m"), "--max-shard-size", written, "--output", path("out"));
    assertThat(code).isEqualTo(2);
    assertThat(err.toString()).contains("'" + written + "' is no size; expected");
  }

  private String path(String name) {
    return directory.resolve(name).toString();
  }

  private int run(String... arguments) {
    return Troupe.execute(new PrintWriter(out, true), new PrintWriter(err, true), arguments);
  }
}
