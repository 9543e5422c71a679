package dev.troupe.tests;

import static org.assertj.core.api.Assertions.assertThat;

import dev.troupe.actors.pipeline.Pipeline;
import dev.troupe.actors.pipeline.RunResult;
import dev.troupe.actors.pipeline.StepListener;
import dev.troupe.configuration.PipelineConfigurations;
import dev.troupe.rlhf.recipe.PreferenceRecipe;
import dev.troupe.rlhf.recipe.RewardModelRecipe;
import dev.troupe.rlhf.recipe.SftRecipe;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Whole runs of the stages that learn from preferences, on few samples of the quickstart's. */
class PreferenceStagesTest {
  private static final List<String> SMALL =
      List.of(
          "quickstart.answered=48",
          "quickstart.preferences=96",
          "quickstart.prompts=24",
          "sft.held-out=16",
          "sft.weighting=probability");

  @TempDir Path directory;

  @Test
  void pairs_dpoWithoutReference_kto_orpo() throws Exception {
    List<String> overrides = new ArrayList<>(SMALL);
    overrides.addAll(
        List.of(
            "stages=[sft,dpo,kto,orpo]",
            "dpo.reference=none",
            "dpo.variant=sigmoid-mean",
            "dpo.beta=2",
            "dpo.target-margin=0.5"));
    for (String stage : List.of("dpo", "kto", "orpo")) {
      overrides.addAll(
          List.of(
              stage + ".held-out=32",
              stage + ".evaluation.held-out=8",
              stage + ".evaluation.generation.max-new-tokens=8",
              stage + ".optimizer.learning-rate=2e-3",
              stage + ".optimizer.warmup-steps=0"));
    }
    RunResult result = run(overrides);
    SftRecipe.Result sft = (SftRecipe.Result) result.results().get("sft");
    assertThat(sft.heldOutLossAfter()).isPresent();
    for (String stage : List.of("dpo", "kto", "orpo")) {
      PreferenceRecipe.Result of = (PreferenceRecipe.Result) result.results().get(stage);
      assertThat(of.account().dropped()).as(stage).isEmpty();
      assertThat(of.accuracy().orElseThrow().total()).as(stage).isEqualTo(32);
      assertThat(of.skippedUpdates()).as(stage).isZero();
      assertThat(directory.resolve("run").resolve(stage)).isDirectory();
    }
    // 96 pairs: 64 to train on for DPO and ORPO, 80 of which both answers for KTO.
    assertThat(((PreferenceRecipe.Result) result.results().get("dpo")).account().trained())
        .isEqualTo(64);
    assertThat(((PreferenceRecipe.Result) result.results().get("kto")).account().trained())
        .isEqualTo(160);
  }

  @ParameterizedTest
  @CsvSource({"regression, answers", "steps, steps"})
  void rewardModel_ofJudgedAnswers(String loss, String file) throws Exception {
    RunResult result =
        run(
            List.of(
                "quickstart=null",
                "stages=[reward]",
                "data.judged=[{path=\"" + judged(file) + "\"}]",
                "reward.loss=" + loss,
                "reward.center-coefficient=0",
                "reward.batch-size=16",
                "reward.epochs=4",
                "reward.held-out=16",
                "reward.optimizer.learning-rate=3e-3",
                "reward.optimizer.warmup-steps=0"));
    RewardModelRecipe.Result reward = (RewardModelRecipe.Result) result.results().get("reward");
    assertThat(reward.account().trained()).isEqualTo(4 * 48);
    assertThat(reward.after().orElseThrow().loss()).isLessThan(0.8 * reward.before().loss());
    assertThat(reward.after().orElseThrow().scoreError()).isPresent();
  }

  @Test
  void kto_ofJudgedAnswers() throws Exception {
    RunResult result =
        run(
            List.of(
                "quickstart=null",
                "stages=[kto]",
                "data.judged=[{path=\"" + judged("answers") + "\", ignore=[score]}]",
                "kto.batch-size=8",
                "kto.held-out=16",
                "kto.evaluation.held-out=4",
                "kto.evaluation.generation.max-new-tokens=8"));
    PreferenceRecipe.Result kto = (PreferenceRecipe.Result) result.results().get("kto");
    assertThat(kto.account().trained()).isEqualTo(48);
    assertThat(kto.accuracy().orElseThrow().total()).isEqualTo(16);
  }

  /** A clerk who says "Yes" is good, and one who says "No" is not. */
  private Path judged(String kind) throws IOException {
    StringBuilder lines = new StringBuilder();
    for (int i = 0; i < 64; i++) {
      boolean good = i % 2 == 0;
      String prompt = "Customer: Number " + i + "?\\nClerk:";
      lines.append(
          kind.equals("steps")
              ? String.format(
                  Locale.ROOT,
                  "{\"prompt\": \"%s\", \"completions\": [\" Hello.\", \" %s.\"], \"labels\": [true,"
                      + " %s]}%n",
                  prompt,
                  good ? "Yes" : "No",
                  good)
              : String.format(
                  Locale.ROOT,
                  "{\"prompt\": \"%s\", \"completion\": \" %s.\", \"label\": %s, \"score\": %d}%n",
                  prompt,
                  good ? "Yes" : "No",
                  good,
                  good ? 2 : -2));
    }
    return Files.writeString(directory.resolve(kind + ".jsonl"), lines);
  }

  private RunResult run(List<String> more) throws Exception {
    List<String> overrides = new ArrayList<>(Quickstarts.whole(directory.resolve("run")));
    overrides.addAll(more);
    var loaded = PipelineConfigurations.loader().load(Quickstarts.CONFIGURATION, overrides);
    return Pipeline.start(loaded.value(), loaded.text(), StepListener.NONE).result().get();
  }
}
