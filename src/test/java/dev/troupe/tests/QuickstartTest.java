package dev.troupe.tests;

import static org.assertj.core.api.Assertions.assertThat;

import dev.troupe.actors.pipeline.Pipeline;
import dev.troupe.actors.pipeline.RunResult;
import dev.troupe.actors.pipeline.StepListener;
import dev.troupe.configuration.PipelineConfigurations;
import dev.troupe.rlhf.recipe.Account;
import dev.troupe.rlhf.recipe.PpoRecipe;
import dev.troupe.rlhf.recipe.PreferenceRecipe;
import java.nio.file.Path;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The newcomer's command, whole, held to what the README says of it. */
class QuickstartTest {
  @TempDir Path directory;

  @Test
  void ppo_reachesItsTarget_andTheBooksBalance() throws Exception {
    var loaded =
        PipelineConfigurations.loader()
            .load(Quickstarts.CONFIGURATION, Quickstarts.whole(directory.resolve("run")));
    RunResult result =
        Pipeline.start(loaded.value(), loaded.text(), StepListener.NONE).result().get();
    PpoRecipe.Result ppo = (PpoRecipe.Result) result.results().get("ppo");
    assertThat(ppo.before().metrics().get("ruleSatisfied")).isLessThanOrEqualTo(0.60);
    assertThat(ppo.after().orElseThrow().metrics().get("ruleSatisfied"))
        .isGreaterThanOrEqualTo(0.90);
    assertThat(ppo.after().orElseThrow().metrics().get("wellFormed")).isGreaterThanOrEqualTo(0.90);
    assertThat(ppo.skippedUpdates()).isZero();
    assertThat(ppo.account()).isEqualTo(new Account(20 * 64, 20 * 64, Map.of()));
  }

  @Test
  void dpo_reachesTheSameTarget() throws Exception {
    var loaded =
        PipelineConfigurations.loader()
            .load(
                Quickstarts.ROOT.resolve("configs/quickstart-dpo.conf"),
                Quickstarts.whole(directory.resolve("run")));
    RunResult result =
        Pipeline.start(loaded.value(), loaded.text(), StepListener.NONE).result().get();
    PreferenceRecipe.Result dpo = (PreferenceRecipe.Result) result.results().get("dpo");
    assertThat(dpo.before().metrics().get("ruleSatisfied")).isLessThanOrEqualTo(0.60);
    assertThat(dpo.after().orElseThrow().metrics().get("ruleSatisfied"))
        .isGreaterThanOrEqualTo(0.90);
    assertThat(dpo.after().orElseThrow().metrics().get("wellFormed")).isGreaterThanOrEqualTo(0.90);
    assertThat(dpo.account().dropped()).isEmpty();
  }
}
