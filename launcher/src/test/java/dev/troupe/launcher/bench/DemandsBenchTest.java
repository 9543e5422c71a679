package dev.troupe.launcher.bench;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import dev.troupe.engine.HybridEngines;
import dev.troupe.models.decoder.BaseModel;
import dev.troupe.models.torch.Handle;
import dev.troupe.models.torch.Lanes;
import dev.troupe.protocol.data.Prompt;
import dev.troupe.protocol.data.Rollout;
import dev.troupe.protocol.data.Storage;
import dev.troupe.protocol.data.UpdateResult;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.IntStream;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** What is measured, on a model so small that its figures mean nothing. */
class DemandsBenchTest {
  @TempDir private static Path directory;
  private static Path model;

  @BeforeAll
  static void writeModel() {
    model = directory.resolve("model");
    BenchModel.TINY.write(model, Path.of("../configs/quickstart-base"));
  }

  @Test
  void memory_givesEveryFigureWithItsDemand() {
    List<Measurement> measured =
        measured(
            DemandsBench.Part.MEMORY,
            "recompute, peak memory over that of keeping activations",
            "recompute, time over that of keeping activations",
            "training, page faults per step",
            "training, memory gained in 300 steps",
            "training, native handles gained in 300 steps");
    assertThat(measured.get(4).median()).isZero();
  }

  @Test
  void training_givesEveryFigureWithItsDemand() {
    List<Measurement> measured =
        measured(
            DemandsBench.Part.TRAINING,
            "training step over its floor",
            "training step over its floor",
            "training step, kernels against one operation at a time",
            "training step, LoRA on the MLP too");
    // Nobody is faster than the arithmetic.
    assertThat(measured.get(0).median()).isGreaterThan(1);
    assertThat(measured.get(1).median()).isGreaterThan(1);
  }

  @Test
  void threads_doNotDisturbOneAnother() {
    List<Measurement> measured =
        measured(
            DemandsBench.Part.THREADS,
            "two models, at once against in turn",
            "two models, steps whose numbers are not the same bits");
    assertThat(measured.get(1).median()).isZero();
  }

  @Test
  void generation_givesEveryFigureWithItsDemand() {
    List<Measurement> measured =
        measured(
            DemandsBench.Part.GENERATION,
            "generation, its floor over its time",
            "generation, its floor over its time",
            "generation, its floor over its time",
            "generation, packed fp32 against torch.linear",
            "generation, packed fp32 against torch.linear",
            "generation, loop in Java over loop in one call",
            "sampling, a step",
            "flip, merge and pack",
            "flip, largest difference of a log-probability",
            "flip, merge and pack",
            "flip, largest difference of a log-probability",
            "flip, merge and pack");
    assertThat(measured.subList(0, 3))
        .allSatisfy(share -> assertThat(share.median()).isBetween(0.0, 1.0));
    // In fp32 both sides may come to the same bits; in fp16 they cannot.
    assertThat(measured.get(8).median()).isBetween(0.0, 1e-4);
    assertThat(measured.get(10).median()).isBetween(1e-9, 1e-2);
  }

  /** The figures of a part, which must be these, each with a demand and none a leak. */
  private static List<Measurement> measured(DemandsBench.Part part, String... works) {
    long handles = Handle.live();
    List<Measurement> measured = part.measure(model, Lanes.shared(), 1);
    assertThat(Handle.live()).isEqualTo(handles);
    assertThat(measured).extracting(Measurement::work).containsExactly(works);
    assertThat(measured)
        .allSatisfy(
            figure -> {
              assertThat(figure.median()).isFinite();
              assertThat(figure.demand()).isPresent();
            });
    return measured;
  }

  @Test
  void plainStep_findsTheLossAndTheGradientOfTheKernels() {
    TrainBench bench = new TrainBench(3, 20);
    try (HybridEngines engines = new HybridEngines(Lanes.shared());
        TrainSteps kernels =
            new TrainSteps(engines, model, bench, TrainSteps.ATTENTION, TrainSteps.USUAL);
        BaseModel base = BaseModel.load(model);
        PlainStep plain = new PlainStep(base, bench, Lanes.shared())) {
      UpdateResult expected = kernels.step();
      PlainStep.Result found = plain.step();
      assertThat(found.loss()).isCloseTo(expected.loss(), within(1e-5));
      assertThat(found.gradientNorm())
          .isCloseTo(expected.gradientNorm(), within(1e-4 * expected.gradientNorm()))
          .isPositive();
    }
  }

  @Test
  void generationKernels_chooseTheTokensOfTheGenerator() {
    GenerateBench bench = new GenerateBench(Storage.FP32, 5, 1, 7, 12, true);
    try (OpenGenerator opened = new OpenGenerator(model, Storage.FP32, Lanes.shared());
        GenerationKernels packed = opened.kernels(GenerationKernels.Products.PACKED);
        GenerationKernels linear = opened.kernels(GenerationKernels.Products.LINEAR)) {
      opened.flip(0);
      List<Prompt> prompts = bench.prompts(opened.config());
      List<int[]> tokens = prompts.stream().map(prompt -> prompt.tokens().values()).toList();
      List<Rollout> expected = opened.generate(0, prompts, bench.settings(1));
      List<long[]> found = packed.answers(tokens, 12, 0);
      assertThat(found).hasSize(5);
      for (int row = 0; row < 5; row++) {
        // The loop in one call does not know of ends.
        assertThat(found.get(row))
            .startsWith(
                IntStream.of(expected.get(row).response().values()).asLongStream().toArray());
      }
      assertThat(linear.answers(tokens, 12, 0)).usingRecursiveComparison().isEqualTo(found);
    }
  }
}
