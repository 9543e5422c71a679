package dev.troupe.tests;

import static org.assertj.core.api.Assertions.assertThat;

import dev.troupe.launcher.Troupe;
import java.io.IOException;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Whatever is wrong with the input, the command line says one clear thing and exits with 2. */
class BadInputTest {
  private static final Path REPOSITORY = repository();

  @TempDir Path directory;

  private Path model;
  private final StringWriter out = new StringWriter();
  private final StringWriter err = new StringWriter();

  @BeforeEach
  void copyModel() throws IOException {
    model = Files.createDirectory(directory.resolve("model"));
    try (Stream<Path> files = Files.list(REPOSITORY.resolve("configs/quickstart-base"))) {
      for (Path file : (Iterable<Path>) files::iterator) {
        Files.copy(file, model.resolve(file.getFileName()));
      }
    }
  }

  @Test
  void missingWeights() throws IOException {
    Files.delete(weights());
    assertRefused(generate("Hello"), "has no weights", "model.safetensors");
  }

  @Test
  void truncatedWeights() throws IOException {
    try (FileChannel channel = FileChannel.open(weights(), StandardOpenOption.WRITE)) {
      channel.truncate(channel.size() / 2);
    }
    assertRefused(generate("Hello"), weights().toString(), "truncated");
  }

  @Test
  void headerLargerThanTheFile() throws IOException {
    try (FileChannel channel = FileChannel.open(weights(), StandardOpenOption.WRITE)) {
      ByteBuffer size = ByteBuffer.allocate(8).order(ByteOrder.LITTLE_ENDIAN);
      channel.write(size.putLong(0, 50_000_000), 0);
    }
    assertRefused(generate("Hello"), weights().toString(), "header", "50000000");
  }

  @Test
  void tensorOfAnotherShape() throws IOException {
    edit("config.json", "\"intermediate_size\"\\s*:\\s*\\d+", "\"intermediate_size\": 64");
    assertRefused(generate("Hello"), "mlp", "64");
  }

  @Test
  void unknownModelType() throws IOException {
    edit("config.json", "\"llama\"", "\"mamba\"");
    assertRefused(generate("Hello"), "unknown model_type 'mamba'", "llama");
  }

  @Test
  void unknownArchitecture_whereNoModelTypeSaysTheFamily() throws IOException {
    edit("config.json", "\"model_type\"\\s*:\\s*\"llama\",", "");
    edit("config.json", "LlamaForCausalLM", "MambaForCausalLM");
    assertRefused(generate("Hello"), "MambaForCausalLM", "LlamaForCausalLM");
  }

  @Test
  void tokenizerThatDoesNotFit() throws IOException {
    Path larger = REPOSITORY.resolve("models/src/test/resources/golden/gqa-tied-bf16");
    // The small golden model's embedding against the quickstart's larger vocabulary.
    Path mixed = Files.createDirectory(directory.resolve("mixed"));
    try (Stream<Path> files = Files.list(larger)) {
      for (Path file : (Iterable<Path>) files.filter(Files::isRegularFile)::iterator) {
        Files.copy(file, mixed.resolve(file.getFileName()));
      }
    }
    for (String name :
        List.of("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json")) {
      Files.deleteIfExists(mixed.resolve(name));
      Files.copy(model.resolve(name), mixed.resolve(name));
    }
    assertRefused(generate(mixed, "Hello"), "vocab_size", "tokenizer");
  }

  @Test
  void pickleCheckpoint() throws IOException {
    Files.delete(weights());
    Files.write(model.resolve("pytorch_model.bin"), new byte[] {'P', 'K', 3, 4});
    assertRefused(generate("Hello"), "pytorch_model.bin", "pickle");
  }

  @Test
  void emptyDataFile() throws IOException {
    Path data = Files.createFile(directory.resolve("empty.jsonl"));
    assertRefused(run(data), data.toString(), "empty");
  }

  @Test
  void malformedLine() throws IOException {
    Path data = directory.resolve("broken.jsonl");
    Files.writeString(data, "{\"prompt\": \"a\", \"completion\": \"b\"}\n{\"prompt\": \"a\", \n");
    assertRefused(run(data), data + ":2", "JSON");
  }

  @Test
  void missingDataFile() throws IOException {
    assertRefused(run(directory.resolve("none.jsonl")), "none.jsonl");
  }

  @Test
  void promptLongerThanTheContext() {
    assertRefused(generate("word ".repeat(600)), "the prompt has", "max_position_embeddings");
  }

  @Test
  void misspeltAndOutOfRangeKeys_areToldTogether() {
    assertRefused(
        troupe(
            "plan",
            quickstart(),
            "--set",
            "ppo.iteratons=2",
            "--set",
            "sft.batch-size=-1",
            "--set",
            "ppo.generation.top-p=7"),
        "iteratons",
        "did you mean",
        "iterations",
        "batch-size",
        "top-p");
  }

  @Test
  void missingConfiguration() {
    assertRefused(troupe("run", directory.resolve("none.conf").toString()), "none.conf");
  }

  @Test
  void portInUse() throws IOException {
    Path run = Files.createDirectory(directory.resolve("run"));
    Files.createFile(run.resolve("events.pb"));
    try (ServerSocket taken = new ServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
      int port = taken.getLocalPort();
      assertRefused(
          troupe("dashboard", run.toString(), "--port", String.valueOf(port)),
          "cannot listen on 127.0.0.1:" + port,
          "another port");
    }
  }

  @Test
  void outputDirectoryOfAnotherRun() throws IOException {
    Path output = Files.createDirectory(directory.resolve("other"));
    Files.writeString(output.resolve("identity.json"), "{}");
    Files.createDirectories(output.resolve("checkpoints/sft/00000020"));
    assertRefused(
        troupe("run", quickstart(), "--set", "model=" + model, "--set", "output=" + output),
        output.toString(),
        "holds another run (sft has come to step 20)");
  }

  @Test
  void tooLittleMemory() {
    assertRefused(
        troupe(
            "plan",
            quickstart(),
            "--memory",
            "1000",
            "--set",
            "model=" + model,
            "--set",
            "sft.batch-size=1000000",
            "--set",
            "sft.optimizer.micro-batch-tokens=1000000000"),
        "too little memory",
        "micro-batch-tokens");
  }

  private Path weights() {
    return model.resolve("model.safetensors");
  }

  private void edit(String file, String pattern, String replacement) throws IOException {
    Path path = model.resolve(file);
    String before = Files.readString(path);
    String after = before.replaceAll(pattern, replacement);
    assertThat(after).isNotEqualTo(before);
    Files.writeString(path, after);
  }

  private static String quickstart() {
    return REPOSITORY.resolve("configs/quickstart.conf").toString();
  }

  private int run(Path data) throws IOException {
    Path config = directory.resolve("run.conf");
    Files.writeString(
        config,
        String.format(
            Locale.ROOT,
            """
        output = "%s"
        model = "%s"
        stages = [sft]
        data.sft = [{ path = "%s" }]
        dashboard.enabled = false
        """,
            directory.resolve("run"),
            model,
            data));
    return troupe("run", config.toString());
  }

  private int generate(String prompt) {
    return generate(model, prompt);
  }

  private int generate(Path from, String prompt) {
    return troupe("generate", from.toString(), "--prompt", prompt, "--max-new-tokens", "2");
  }

  private int troupe(String... arguments) {
    return Troupe.execute(new PrintWriter(out, true), new PrintWriter(err, true), arguments);
  }

  private void assertRefused(int exitCode, String... parts) {
    String text = err.toString();
    assertThat(exitCode).as(text).isEqualTo(2);
    assertThat(text).startsWith("error: ").contains(parts).doesNotContain("\tat ", "Exception");
    List<String> errors = new ArrayList<>(text.lines().toList());
    errors.removeIf(line -> !line.startsWith("error: "));
    assertThat(errors).hasSize(1);
  }

  private static Path repository() {
    Path path = Path.of("").toAbsolutePath();
    while (!Files.isDirectory(path.resolve("configs/quickstart-base"))) {
      path = path.getParent();
    }
    return path;
  }
}
