package dev.troupe.tests;

import static org.assertj.core.api.Assertions.assertThat;

import dev.troupe.launcher.Troupe;
import dev.troupe.models.checkpoint.ModelConfig;
import dev.troupe.models.checkpoint.TensorData;
import dev.troupe.models.peft.AdaptedLinear;
import dev.troupe.models.peft.Adapter;
import dev.troupe.models.peft.AdapterConfig;
import java.io.IOException;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.EnumSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** What can be known before the first step is said before it, by plan and by run alike. */
class PlanTest {
  @TempDir Path directory;

  private final StringWriter out = new StringWriter();
  private final StringWriter err = new StringWriter();

  @Test
  void quickstart_stagesInNumbers_andNothingWritten() throws IOException {
    Path output = directory.resolve("out");
    assertThat(troupe(Quickstarts.CONFIGURATION, "plan", Quickstarts.whole(output))).isZero();
    assertThat(out.toString())
        .contains("set, and other than the defaults\n", "  ppo.iterations = 20\n")
        .containsPattern("sft +1280 texts +64 +0 +40 +32 +36,544 +38\n")
        .containsPattern("reward +1024 pairs +64 +0 +32 +32 +58,306 +39\n")
        .containsPattern("ppo +2432 prompts +128 +0 +20 +64 +≤ 35,840 +43\n")
        .contains("\ntrained   sft policy lora ", "; ppo critic lora ")
        .contains("\nmemory    about ", "\ndisk      about ")
        .doesNotContain("sft.epochs");
    assertThat(out.toString().lines().count()).as(out.toString()).isLessThan(50);
    assertThat(output).doesNotExist();
    try (Stream<Path> left = Files.list(directory)) {
      assertThat(left).isEmpty();
    }
  }

  @Test
  void keysThatNoStageReads_areNamed() throws IOException {
    List<String> overrides = new ArrayList<>(Quickstarts.whole(directory.resolve("out")));
    String reward = "start.reward=\"" + Quickstarts.ROOT.resolve("configs/quickstart-base") + "\"";
    overrides.addAll(List.of("dpo.beta=0.2", "stages=[sft]", "quickstart.answered=200", reward));
    assertThat(troupe(Quickstarts.CONFIGURATION, "plan", overrides)).isZero();
    assertThat(out.toString())
        .containsPattern("set, and not used by these stages\n  [^\n]*quickstart.preferences, ")
        .containsPattern("set, and not used by these stages\n  [^\n]*start.reward")
        .containsPattern("set, and not used by these stages\n  [^\n]*, dpo.beta");
  }

  @Test
  void all_isTheWholeConfiguration() throws IOException {
    List<String> overrides = new ArrayList<>(Quickstarts.whole(directory.resolve("out")));
    assertThat(troupe(Quickstarts.CONFIGURATION, "plan", overrides, "--all")).isZero();
    assertThat(out.toString()).contains("weight-decay=0.0", "memory plan (estimate)");
  }

  /** Each of these was found out only when stages before it had trained. */
  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "ppo.generation.max-new-tokens=500 | ppo.generation.max-new-tokens is 500 and leaves no room",
        "ppo.evaluation.generation.max-new-tokens=256 | the model's context is 256 tokens; allowed: at most 255",
        "dpo.evaluation.generation.max-new-tokens=64 data.max-tokens=20 ppo.generation.max-new-tokens=4 ppo.evaluation.generation.max-new-tokens=4 | dpo.evaluation.generation.max-new-tokens is 64 and leaves no room for a prompt: data.max-tokens is 20; allowed: at most 19",
        "dpo.held-out=12 | dpo.held-out is 12 and the data have 12 pairs",
        "reward.held-out=99 | reward.held-out is 99 and the data have 12 pairs",
        "dpo.evaluation.held-out=12 | dpo.evaluation.held-out is 12 and the data have 12 prompts",
        "ppo.evaluation.held-out=40 | ppo.evaluation.held-out is 40 and the data have 12 prompts",
        "ppo.prompts-per-iteration=12 | ppo.prompts-per-iteration is 12 and the data have 11 prompts",
        "ppo.policy.tuning.rank=3 | ppo.policy.tuning: goes on from the adapter of an earlier stage",
        "dpo.tuning.type=full | dpo.tuning: is to train every weight, and goes on from an adapter",
        "reward.tuning.targets=[q_prjo] | reward.tuning: no linear layer 'q_prjo'",
        "ppo.policy.ptx-coefficient=1 | data.pretraining names no source",
        "data.max-tokens=512 | data.max-tokens is 512 and the model's context is 256",
        "data.max-tokens=3 | fits the length policy",
        "data.prompts=[{path=none.jsonl}] | none.jsonl",
        "model=meta-llama/Llama-3.2-1B | hf download meta-llama/Llama-3.2-1B --local-dir Llama-3.2-1B",
      })
  void foundBeforeAnythingTrains(String overrides, String message) throws IOException {
    Path config = fourStages(12);
    for (String command : List.of("plan", "run")) {
      err.getBuffer().setLength(0);
      assertThat(troupe(config, command, List.of(overrides.split(" "))))
          .as(err.toString())
          .isEqualTo(2);
      assertThat(err.toString())
          .contains(message)
          .startsWith("error: ")
          .doesNotContainPattern("-\\d+ tokens")
          .doesNotContain("what was done is kept", "--resume", "\tat ");
      assertThat(directory.resolve("out")).doesNotExist();
    }
  }

  /** Headers say nothing of a NaN: every number of every model that a run begins from is read. */
  @ParameterizedTest
  @CsvSource({"model, NaN, NaN", "start.policy, Infinity, an infinity", "start.reward, NaN, NaN"})
  void baseWithANan_isRefused_beforeAnythingTrains(String key, float wrong, String spoken)
      throws IOException {
    Path config = fourStages(12);
    Path model = Files.createDirectory(directory.resolve("damaged"));
    try (Stream<Path> files = Files.list(Quickstarts.ROOT.resolve("configs/quickstart-base"))) {
      for (Path file : files.toList()) {
        Files.copy(file, model.resolve(file.getFileName().toString()));
      }
    }
    damage(model.resolve("model.safetensors"), 128 + 7, wrong);
    for (String command : List.of("plan", "run")) {
      err.getBuffer().setLength(0);
      assertThat(troupe(config, command, List.of(key + "=\"" + model + "\""))).isEqualTo(2);
      assertThat(err.toString())
          .containsPattern("error: (model: )?")
          .contains(
              model.resolve("model.safetensors")
                  + ": tensor 'model.embed_tokens.weight' holds "
                  + spoken
                  + " at [1, 7]. Nothing can be computed")
          .hasLineCount(1);
      assertThat(directory.resolve("out")).doesNotExist();
    }
  }

  @Test
  void adapterWithANan_isRefused_beforeAnythingTrains() throws IOException {
    Path config = fourStages(12);
    Path adapter = directory.resolve("adapter");
    ModelConfig base = ModelConfig.read(Quickstarts.ROOT.resolve("configs/quickstart-base"));
    AdapterConfig options = new AdapterConfig(4, 8, EnumSet.of(AdaptedLinear.Q_PROJ), true, "");
    Map<String, TensorData> tensors = new LinkedHashMap<>();
    options
        .tensors(base)
        .forEach(
            (name, shape) ->
                tensors.put(
                    name, TensorData.of(new float[(int) shape.elements()], shape.toArray())));
    new Adapter(options, tensors).write(adapter);
    List<String> overrides =
        List.of("stages=[ppo]", "ppo.critic.start=base", "start.reward=\"" + adapter + "\"");
    assertThat(troupe(config, "plan", overrides)).as(err.toString()).isZero();
    damage(adapter.resolve("adapter_model.safetensors"), 129, Float.NaN);
    for (String command : List.of("plan", "run")) {
      assertThat(troupe(config, command, overrides)).isEqualTo(2);
      assertThat(err.toString())
          .contains("adapter_model.safetensors: tensor 'base_model.model.", "holds NaN at [1, 1]");
    }
  }

  /** Writes over a number of a file's first tensor, which is of float32. */
  private static void damage(Path file, int at, float value) throws IOException {
    byte[] bytes = Files.readAllBytes(file);
    ByteBuffer numbers = ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN);
    numbers.putFloat((int) (8 + numbers.getLong(0) + 4L * at), value);
    Files.write(file, bytes);
  }

  @Test
  void allProblems_areToldAtOnce() throws IOException {
    Path config = fourStages(12);
    List<String> overrides =
        List.of(
            "reward.held-out=99",
            "ppo.generation.max-new-tokens=300",
            "dpo.tuning.rank=5",
            "data.prompts=[{path=none.jsonl}]");
    assertThat(troupe(config, "run", overrides)).isEqualTo(2);
    assertThat(err.toString())
        .contains(
            "4 problems were found before anything was trained:\n",
            "none.jsonl",
            "reward.held-out is 99",
            "ppo.generation.max-new-tokens is 300",
            "dpo.tuning: goes on from");
  }

  @Test
  void afterPretraining_countsAndLengthsAreCheckedWithoutATokenizer() throws IOException {
    Path config = fourStages(12);
    List<String> overrides =
        List.of(
            "model=null",
            "stages=[pretrain,sft,reward,ppo]",
            "pretrain.training.held-out=12",
            "reward.held-out=13",
            "ppo.generation.max-new-tokens=256");
    assertThat(troupe(config, "plan", overrides)).isEqualTo(2);
    assertThat(err.toString())
        .contains(
            "pretrain.training.held-out is 12 and the data have 12 texts",
            "reward.held-out is 13 and the data have 12 pairs",
            "ppo.generation.max-new-tokens is 256 and leaves no room for a prompt:"
                + " pretrain.model.context-length is 256");
  }

  @Test
  void aBusyPort_thatWasAskedFor_isRefused_beforeTheDirectoryIsMade() throws IOException {
    Path config = fourStages(12);
    try (ServerSocket taken = new ServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
      List<String> overrides =
          List.of("dashboard.enabled=true", "dashboard.port=" + taken.getLocalPort());
      for (String command : List.of("plan", "run")) {
        assertThat(troupe(config, command, overrides)).isEqualTo(2);
        assertThat(err.toString())
            .contains("cannot listen on 127.0.0.1:" + taken.getLocalPort())
            .contains("set dashboard.port to another port, or to 0");
        assertThat(directory.resolve("out")).doesNotExist();
      }
    }
  }

  @Test
  void outputBelowAFile_isRefused() throws IOException {
    Path config = fourStages(12);
    Path file = Files.writeString(directory.resolve("file"), "");
    assertThat(troupe(config, "run", List.of("output=" + file.resolve("out")))).isEqualTo(2);
    assertThat(err.toString()).contains("cannot be made: " + file + " is a file");
  }

  /** SFT, reward model, PPO and DPO on {@code count} pairs. */
  private Path fourStages(int count) throws IOException {
    StringBuilder pairs = new StringBuilder();
    for (int i = 0; i < count; i++) {
      pairs
          .append("{\"prompt\": \"Customer: Hello.\\nClerk:\", \"chosen\": \" Fine ")
          .append(i)
          .append(".\", \"rejected\": \" Bad.\"}\n");
    }
    Path data = Files.writeString(directory.resolve("pairs.jsonl"), pairs);
    return Files.writeString(
        directory.resolve("run.conf"),
        String.format(
            Locale.ROOT,
            """
        output = "%s"
        model = "%s"
        stages = [sft, reward, ppo, dpo]
        dashboard.enabled = false
        data { sft = [{ path = "%s" }], preferences = ${data.sft}, prompts = ${data.sft} }
        sft.held-out = 1
        reward.held-out = 1
        ppo { prompts-per-iteration = 4, evaluation.held-out = 1 }
        dpo { held-out = 1, evaluation.held-out = 1 }
        """,
            directory.resolve("out"),
            Quickstarts.ROOT.resolve("configs/quickstart-base"),
            data));
  }

  private int troupe(Path config, String command, List<String> overrides, String... more) {
    List<String> arguments = new ArrayList<>(List.of(command, config.toString()));
    overrides.forEach(override -> arguments.addAll(List.of("--set", override)));
    arguments.addAll(List.of(more));
    return Troupe.execute(
        new PrintWriter(out, true), new PrintWriter(err, true), arguments.toArray(String[]::new));
  }
}
