package dev.troupe.tests;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import dev.troupe.actors.pipeline.Pipeline;
import dev.troupe.actors.pipeline.RunResult;
import dev.troupe.configuration.PipelineConfigurations;
import dev.troupe.rlhf.recipe.SftRecipe;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** A whole run of SFT that packs is the run that does not. */
class PackingTest {
  @TempDir Path directory;

  private record Run(List<Map<String, Double>> steps, SftRecipe.Result result) {}

  @Test
  void sft_packed_hasTheLossesOfTheRunThatPads() throws Exception {
    Run padded = run(false);
    Run packed = run(true);
    assertThat(padded.steps()).hasSize(8);
    assertThat(packed.steps()).hasSameSizeAs(padded.steps());
    for (int step = 0; step < padded.steps().size(); step++) {
      Map<String, Double> expected = padded.steps().get(step);
      Map<String, Double> found = packed.steps().get(step);
      for (String name : List.of("loss", "nll", "gradientNorm")) {
        assertThat(found.get(name))
            .as(name + " of step " + (step + 1))
            .isCloseTo(expected.get(name), within(1e-5));
      }
    }
    assertThat(packed.result().heldOutLossBefore().orElseThrow())
        .isCloseTo(padded.result().heldOutLossBefore().orElseThrow(), within(1e-5));
    assertThat(packed.result().heldOutLossAfter().orElseThrow())
        .isCloseTo(padded.result().heldOutLossAfter().orElseThrow(), within(1e-5));
    assertThat(packed.result().account()).isEqualTo(padded.result().account());
    assertThat(packed.result().tokens()).isEqualTo(padded.result().tokens());
    // It did go another way: float32 summed in another order.
    assertThat(packed.steps().stream().map(step -> step.get("gradientNorm")).toList())
        .isNotEqualTo(padded.steps().stream().map(step -> step.get("gradientNorm")).toList());
  }

  private Run run(boolean packing) throws Exception {
    List<String> overrides =
        new ArrayList<>(Quickstarts.whole(directory.resolve("packing-" + packing)));
    overrides.addAll(
        List.of(
            "stages=[sft]",
            "quickstart.answered=64",
            "sft.held-out=16",
            "sft.batch-size=12",
            "sft.epochs=2",
            "sft.packing=" + packing));
    var loaded = PipelineConfigurations.loader().load(Quickstarts.CONFIGURATION, overrides);
    List<Map<String, Double>> steps = new ArrayList<>();
    RunResult result =
        Pipeline.start(
                loaded.value(),
                loaded.text(),
                (stage, step, totalSteps, metrics) -> steps.add(Map.copyOf(metrics)))
            .result()
            .get();
    return new Run(steps, (SftRecipe.Result) result.results().get("sft"));
  }
}
