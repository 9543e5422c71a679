package dev.troupe.launcher;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatCode;

import dev.troupe.configuration.PipelineConfigurations;
import dev.troupe.protocol.data.ChatMessage;
import dev.troupe.protocol.data.FinishReason;
import dev.troupe.protocol.data.Floats;
import dev.troupe.protocol.data.Prompt;
import dev.troupe.protocol.data.Rollout;
import dev.troupe.protocol.data.SamplingSettings;
import dev.troupe.protocol.data.TokenIds;
import java.io.IOException;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.function.Consumer;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import picocli.CommandLine;

/** Usage, messages and exit codes, in this process and without weights. */
class CommandLineTest {
  @TempDir Path directory;

  private final StringWriter out = new StringWriter();
  private final StringWriter err = new StringWriter();

  @Test
  void noCommand_isMisuse() {
    assertThat(run()).isEqualTo(2);
    assertThat(err.toString()).isEqualTo("error: name a command\nsee: troupe --help\n");
  }

  @Test
  void everyCommandHasHelp() {
    var commands = Troupe.commandLine(letters(8), writer(out), writer(err)).getSubcommands();
    assertThat(commands).hasSizeGreaterThanOrEqualTo(4);
    for (String command : commands.keySet()) {
      assertThat(run(command, "--help")).as(command).isZero();
    }
    assertThat(err.toString()).isEmpty();
  }

  /** Picocli takes help for format strings, and warns on standard error of one that is none. */
  @Test
  void everyHelp_isAFormat() {
    List<CommandLine> commands =
        new ArrayList<>(List.of(Troupe.commandLine(letters(8), writer(out), writer(err))));
    for (int i = 0; i < commands.size(); i++) {
      CommandLine.Model.CommandSpec spec = commands.get(i).getCommandSpec();
      commands.addAll(commands.get(i).getSubcommands().values());
      List<String> texts = new ArrayList<>(List.of(spec.usageMessage().description()));
      texts.addAll(List.of(spec.usageMessage().header()));
      texts.addAll(List.of(spec.usageMessage().footer()));
      spec.args().forEach(argument -> texts.addAll(List.of(argument.description())));
      for (String text : texts) {
        // A variable of picocli's is put in before.
        String plain = text.replaceAll("\\$\\{[^}]*}", "");
        assertThatCode(() -> String.format(Locale.ROOT, plain))
            .as("%s: %s", spec.qualifiedName(), text)
            .doesNotThrowAnyException();
      }
    }
    assertThat(commands).hasSizeGreaterThan(20);
  }

  @Test
  void node_triesToJoinAsLongAsARunWaits() {
    assertThat(run("node", "--help")).isZero();
    String help = out.toString().replaceAll("\\s+", " ");
    assertThat(help)
        .contains("--join-timeout=SECONDS how long to try (default: 180)")
        .contains("address to listen on and to be reached at (default: 127.0.0.1)");
    assertThat(PipelineConfigurations.joinTimeout().toSeconds()).isEqualTo(180);
  }

  @Test
  void help_documentsExitCodes() {
    assertThat(run("--help")).isZero();
    assertThat(out.toString())
        .contains(
            "Exit codes:", "  0     done", "  2     something to mend", "  130   interrupted");
  }

  @Test
  void misspeltCommand_suggests() {
    assertThat(run("logprob")).isEqualTo(2);
    assertThat(err.toString())
        .isEqualTo(
            "error: Unmatched argument at index 0: 'logprob'\nDid you mean: troupe logprobs?\n");
  }

  @Test
  void missingOption() {
    assertThat(run("generate", directory.toString())).isEqualTo(2);
    assertThat(err.toString())
        .isEqualTo(
            "error: Missing required option: '--prompt=TEXT'\nsee: troupe generate --help\n");
  }

  @Test
  void generate_json() {
    assertThat(
            run(
                "generate",
                directory.toString(),
                "--prompt",
                "ab",
                "--max-new-tokens",
                "2",
                "--temperature",
                "0",
                "--json"))
        .as(err.toString())
        .isZero();
    assertThat(out.toString())
        .isEqualTo(
            "{\"prompt_tokens\":[97,98],\"tokens\":[65,66],\"text\":\"AB\","
                + "\"logprobs\":[-0.5,-0.25]}\n");
  }

  @Test
  void generate_textIsStreamed() {
    assertThat(run("generate", directory.toString(), "--prompt", "ab")).isZero();
    assertThat(out.toString()).isEqualTo("AB\n");
  }

  @Test
  void generate_promptLongerThanTheContext() {
    assertThat(run("generate", directory.toString(), "--prompt", "abcdefgh")).isEqualTo(2);
    assertThat(err.toString())
        .isEqualTo(
            "error: the prompt has 8 tokens, the model's context is 8 (max_position_embeddings);"
                + " shorten it to at most 7 so that an answer fits\n");
  }

  @Test
  void generate_optionOutOfRange() {
    assertThat(run("generate", directory.toString(), "--prompt", "a", "--top-p", "0")).isEqualTo(2);
    assertThat(err.toString()).isEqualTo("error: --top-p is 0.0, allowed: above 0, at most 1\n");
  }

  @Test
  void generate_noSuchModel() {
    assertThat(run("generate", "no/such", "--prompt", "a")).isEqualTo(2);
    assertThat(err.toString())
        .isEqualTo(
            "error: no/such: no such directory; a model is a directory with config.json,"
                + " *.safetensors and tokenizer.json, or a .gguf file. Troupe downloads nothing; if"
                + " this is a model's name on Hugging Face, fetch it first: hf download no/such"
                + " --local-dir such (pip install huggingface_hub), then name the directory"
                + " such\n");
  }

  @Test
  void logprobs_json_oneLinePerText() throws IOException {
    Path input = directory.resolve("texts.jsonl");
    Files.writeString(input, "{\"text\": \"abc\"}\n\n{\"text\": \"a\"}\n{\"text\": \"\"}\n");
    assertThat(logprobs(input)).as(err.toString()).isZero();
    assertThat(out.toString())
        .isEqualTo(
            """
            {"tokens":[97,98,99],"logprobs":[null,-1.0,-2.0]}
            {"tokens":[97],"logprobs":[null]}
            {"tokens":[],"logprobs":[]}
            """);
  }

  @Test
  void specialTokens_onlyWhereAskedFor() throws IOException {
    Path input = directory.resolve("texts.jsonl");
    Files.writeString(input, "{\"text\": \"abc\"}\n");
    String model = directory.toString();
    assertThat(run("logprobs", model, "--input", input.toString(), "--json", "--special-tokens"))
        .isZero();
    assertThat(out.toString()).isEqualTo("{\"tokens\":[3],\"logprobs\":[null]}\n");
    out.getBuffer().setLength(0);
    assertThat(run("generate", model, "--prompt", "abc", "--json", "--special-tokens")).isZero();
    assertThat(out.toString()).startsWith("{\"prompt_tokens\":[3],");
  }

  @Test
  void logprobs_malformedLine() throws IOException {
    Path input = directory.resolve("texts.jsonl");
    Files.writeString(input, "{\"text\": \"abc\"}\n{\"text\": \n");
    assertThat(logprobs(input)).isEqualTo(2);
    assertThat(err.toString())
        .startsWith("error: " + input + ":2: not JSON (")
        .endsWith("); expected {\"text\": \"...\"}, found: {\"text\": \n");
    assertOneLine();
  }

  @Test
  void logprobs_halfACharacter() throws IOException {
    Path input = directory.resolve("texts.jsonl");
    Files.writeString(input, "{\"text\": \"a\\ud83d\"}\n");
    assertThat(logprobs(input)).isEqualTo(2);
    assertThat(err.toString())
        .isEqualTo(
            "error: "
                + input
                + ":1: character 2 is half a character (the lone surrogate \\ud83d); write both"
                + " halves, or U+FFFD in its place\n");
  }

  @Test
  void logprobs_otherKeys() throws IOException {
    Path input = directory.resolve("texts.jsonl");
    Files.writeString(input, "{\"prompt\": \"abc\"}\n");
    assertThat(logprobs(input)).isEqualTo(2);
    assertThat(err.toString())
        .isEqualTo("error: " + input + ":1: expected an object with a text under \"text\"\n");
  }

  @Test
  void logprobs_emptyFile() throws IOException {
    Path input = Files.createFile(directory.resolve("empty.jsonl"));
    assertThat(logprobs(input)).isEqualTo(2);
    assertThat(err.toString())
        .isEqualTo("error: " + input + " is empty, expected one {\"text\": \"...\"} per line\n");
  }

  @Test
  void logprobs_textLongerThanTheContext() throws IOException {
    Path input = directory.resolve("texts.jsonl");
    Files.writeString(input, "{\"text\": \"abcdefghi\"}\n");
    assertThat(logprobs(input)).isEqualTo(2);
    assertThat(err.toString())
        .isEqualTo(
            "error: "
                + input
                + ":1: the text has 9 tokens, the model's context is 8 (max_position_embeddings);"
                + " shorten or split it\n");
  }

  @Test
  void logprobs_noSuchFile() {
    assertThat(logprobs(Path.of("no/such.jsonl"))).isEqualTo(2);
    assertThat(err.toString()).isEqualTo("error: no/such.jsonl: no such file or directory\n");
  }

  @Test
  void device_unknown() {
    assertThat(run("generate", directory.toString(), "--prompt", "a", "--device", "gpu"))
        .isEqualTo(2);
    assertThat(err.toString())
        .startsWith("error: --device is gpu, allowed: auto, cpu, cuda or cuda:N\n");
  }

  @Test
  void unexpectedException_isOneLineAndAFile() {
    OneModel.Opener broken =
        (model, adapter, temperature, engine) -> {
          throw new IllegalStateException("three is two");
        };
    int code =
        Troupe.commandLine(broken, writer(out), writer(err))
            .execute("generate", directory.toString(), "--prompt", "a");
    assertThat(code).isEqualTo(1);
    assertThat(err.toString())
        .startsWith("internal error: IllegalStateException: three is two\n")
        .contains("the details are in ")
        .doesNotContain("\tat ");
    Path log = Path.of(err.toString().strip().replaceAll("(?s).*details are in ", ""));
    assertThat(log).content().contains("three is two", "\tat ");
  }

  @Test
  void doctor_portInUse() throws IOException {
    try (ServerSocket taken = new ServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
      int port = taken.getLocalPort();
      assertThat(run("doctor", "--port", String.valueOf(port))).isEqualTo(2);
      assertThat(out.toString())
          .contains("FAIL  port       " + port + " cannot be used: Address already in use")
          .contains("name another port");
    }
  }

  private void assertOneLine() {
    assertThat(err.toString().lines()).hasSize(1);
    assertThat(err.toString()).doesNotContain("\tat ");
  }

  private int logprobs(Path input) {
    return run("logprobs", directory.toString(), "--input", input.toString(), "--json");
  }

  private int run(String... arguments) {
    return Troupe.commandLine(letters(8), writer(out), writer(err)).execute(arguments);
  }

  private static PrintWriter writer(StringWriter target) {
    return new PrintWriter(target, true);
  }

  /** A model whose tokens are letters, which answers in capitals. */
  private static OneModel.Opener letters(int contextLength) {
    return (model, adapter, temperature, engine) ->
        new OneModel() {
          @Override
          public TokenIds encode(String text) {
            return new TokenIds(text.chars().toArray());
          }

          @Override
          public TokenIds encodeMarked(String text) {
            return TokenIds.of(text.length());
          }

          @Override
          public TokenIds encode(List<ChatMessage> dialogue) {
            return encode(dialogue.get(dialogue.size() - 1).content());
          }

          @Override
          public boolean hasChatTemplate() {
            return false;
          }

          @Override
          public int contextLength() {
            return contextLength;
          }

          @Override
          public Rollout generate(
              TokenIds prompt, SamplingSettings settings, Consumer<String> onText) {
            String text = new String(prompt.values(), 0, prompt.size()).toUpperCase(Locale.ROOT);
            onText.accept(text);
            return new Rollout(
                new Prompt("0", "", prompt),
                encode(text),
                text,
                new Floats(new float[] {-0.5f, -0.25f}),
                FinishReason.LENGTH,
                0);
          }

          @Override
          public Floats logprobs(TokenIds tokens) {
            float[] logprobs = new float[tokens.size() - 1];
            for (int i = 0; i < logprobs.length; i++) {
              logprobs[i] = -1 - i;
            }
            return new Floats(logprobs);
          }

          @Override
          public void close() {}
        };
  }
}
