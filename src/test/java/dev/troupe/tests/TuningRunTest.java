package dev.troupe.tests;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.fasterxml.jackson.databind.ObjectMapper;
import dev.troupe.actors.pipeline.Pipeline;
import dev.troupe.actors.pipeline.RunHandle;
import dev.troupe.actors.pipeline.RunResult;
import dev.troupe.actors.pipeline.StepListener;
import dev.troupe.configuration.PipelineConfigurations;
import dev.troupe.models.checkpoint.Checkpoint;
import dev.troupe.models.checkpoint.DType;
import dev.troupe.models.export.HuggingFaceExport;
import dev.troupe.rlhf.recipe.SftRecipe;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Whole runs by ways of tuning beside LoRA: trained, sampled from, taken up again, exported. */
class TuningRunTest {
  @TempDir Path directory;

  /** SFT, a reward model and PPO; the policy goes on from SFT, the critic from the reward model. */
  private static RunHandle start(Path output, StepListener listener) {
    List<String> overrides = new ArrayList<>(Quickstarts.shortened(output));
    overrides.addAll(
        List.of(
            "sft.tuning.type=ia3",
            "ppo.policy.tuning.type=ia3",
            "reward.tuning={type=partial, last-layers=1, pattern=\"model.norm.weight\"}",
            "ppo.critic.tuning={type=partial, last-layers=1, pattern=\"model.norm.weight\"}",
            "checkpoints.every-steps=1"));
    var loaded = PipelineConfigurations.loader().load(Quickstarts.CONFIGURATION, overrides);
    return output.toFile().exists()
        ? Pipeline.resume(loaded.value(), loaded.text(), listener)
        : Pipeline.start(loaded.value(), loaded.text(), listener);
  }

  @Test
  void ppo_cancelledAndResumed_endsWithTheSameBytes_andIsExported() throws Exception {
    Path straight = directory.resolve("straight");
    assertThat(start(straight, StepListener.NONE).result().get().outcome())
        .isEqualTo(RunResult.COMPLETED);
    Path output = directory.resolve("cancelled");
    CompletableFuture<RunHandle> itself = new CompletableFuture<>();
    RunHandle handle =
        start(
            output,
            (stage, step, totalSteps, metrics) -> {
              if (stage.equals("ppo") && step == 1) {
                itself.join().cancel();
              }
            });
    itself.complete(handle);
    assertThat(handle.result().get().outcome()).isEqualTo(RunResult.CANCELLED);
    assertThat(start(output, StepListener.NONE).result().get().outcome())
        .isEqualTo(RunResult.COMPLETED);
    for (String part : List.of("sft", "reward", "policy")) {
      assertThat(output.resolve(part).resolve("adapter_model.safetensors"))
          .as(part)
          .hasSameBinaryContentAs(straight.resolve(part).resolve("adapter_model.safetensors"));
    }
    assertThat(type(straight.resolve("policy"))).isEqualTo("IA3");
    assertThat(type(straight.resolve("reward"))).isEqualTo("PARTIAL");
    Path model = Quickstarts.ROOT.resolve("configs/quickstart-base");
    Path merged = directory.resolve("merged");
    HuggingFaceExport.write(
        model,
        Optional.of(straight.resolve("policy")),
        merged,
        DType.F32,
        1L << 30,
        (tensor, done, total) -> {});
    try (Checkpoint base = Checkpoint.open(model);
        Checkpoint exported = Checkpoint.open(merged)) {
      String keys = "model.layers.0.self_attn.k_proj.weight";
      assertThat(exported.floats(keys)).isNotEqualTo(base.floats(keys));
      String queries = "model.layers.0.self_attn.q_proj.weight";
      assertThat(exported.floats(queries)).isEqualTo(base.floats(queries));
    }
  }

  /**
   * Prefixes and prompts run beside the weights: sampled from, scored, taken further, not merged.
   */
  @Test
  void ppo_ofVirtualTokens_runsAndIsNotMerged() throws Exception {
    Path output = directory.resolve("virtual");
    List<String> overrides = new ArrayList<>(Quickstarts.shortened(output));
    overrides.addAll(
        List.of(
            "sft.tuning={type=prefix, tokens=6, encoder=8}",
            "ppo.policy.tuning={type=prefix, tokens=6, encoder=8}",
            "reward.tuning={type=prompt, tokens=5}",
            "ppo.critic.tuning={type=prompt, tokens=5}"));
    var loaded = PipelineConfigurations.loader().load(Quickstarts.CONFIGURATION, overrides);
    assertThat(
            Pipeline.start(loaded.value(), loaded.text(), StepListener.NONE)
                .result()
                .get()
                .outcome())
        .isEqualTo(RunResult.COMPLETED);
    assertThat(type(output.resolve("policy"))).isEqualTo("PREFIX_TUNING");
    assertThat(type(output.resolve("reward"))).isEqualTo("PROMPT_TUNING");
    Path model = Quickstarts.ROOT.resolve("configs/quickstart-base");
    assertThatThrownBy(
            () ->
                HuggingFaceExport.write(
                    model,
                    Optional.of(output.resolve("policy")),
                    directory.resolve("merged"),
                    DType.F32,
                    1L << 30,
                    (tensor, done, total) -> {}))
        .hasMessage(
            "An adapter of PREFIX_TUNING cannot be merged into "
                + model
                + ": it changes no weight, but puts a prefix of 6 tokens by an encoder of width 8 before every"
                + " text. Use the adapter as it is; PEFT loads its directory.");
  }

  /**
   * Each of them learns something in a few steps. Vectors between random matrices, AdaLoRA, whose
   * matrices start small, and a prefix want larger rates than matrices do.
   */
  @ParameterizedTest
  @CsvSource({
    "loha, 'rank=4, alpha=8', 3e-3",
    "lokr, 'rank=4, alpha=8', 3e-3",
    "oft, 'block-size=8', 3e-3",
    "vera, 'rank=16', 3e-2",
    "boft, 'block-size=8', 3e-3",
    "adalora, 'first-rank=8, target-rank=4, alpha=64, last-steps=2', 5e-2",
    "prefix, 'tokens=8', 3e-2",
    "prompt, 'tokens=8, start=text, text=\"Answer the question.\"', 3e-3",
    "prompt-encoder, 'tokens=8, encoder=32', 3e-3",
    "lora, 'start=pissa, rank=4, alpha=4', 3e-3",
    "norms, '', 3e-3",
    "partial, 'pattern=\"lm_head.weight|model.embed_tokens.weight\"', 3e-3",
  })
  void sft_lowersTheHeldOutLoss(String type, String more, String rate) throws Exception {
    List<String> overrides = new ArrayList<>(Quickstarts.whole(directory.resolve(type)));
    overrides.addAll(
        List.of(
            "stages=[sft]",
            "quickstart.answered=192",
            "sft.optimizer.learning-rate=" + rate,
            "sft.tuning={type=" + type + (more.isEmpty() ? "" : ", " + more) + "}"));
    var loaded = PipelineConfigurations.loader().load(Quickstarts.CONFIGURATION, overrides);
    RunResult result =
        Pipeline.start(loaded.value(), loaded.text(), StepListener.NONE).result().get();
    SftRecipe.Result sft = (SftRecipe.Result) result.results().get("sft");
    double before = sft.heldOutLossBefore().orElseThrow();
    double after = sft.heldOutLossAfter().orElseThrow();
    System.out.printf(Locale.ROOT, "%s: held-out loss %.4f to %.4f%n", type, before, after);
    assertThat(after).isLessThan(before - 0.01);
  }

  private static String type(Path adapter) throws Exception {
    return new ObjectMapper()
        .readTree(adapter.resolve("adapter_config.json").toFile())
        .get("peft_type")
        .asText();
  }
}
