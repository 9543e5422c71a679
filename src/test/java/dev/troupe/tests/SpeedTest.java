package dev.troupe.tests;

import static org.assertj.core.api.Assertions.assertThat;

import dev.troupe.launcher.bench.BenchModel;
import dev.troupe.launcher.bench.GenerateBench;
import dev.troupe.launcher.bench.TrainBench;
import dev.troupe.models.torch.Lanes;
import dev.troupe.protocol.data.Storage;
import java.nio.file.Path;
import java.util.function.DoubleSupplier;
import java.util.stream.DoubleStream;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * The fast paths are faster than the plain ones, as ratios in one run with generous bounds: what
 * fails here has become slower by half or more. Figures are bench's affair.
 */
class SpeedTest {
  private static final int ROUNDS = 3;

  @TempDir private static Path directory;
  private static Path model;

  @BeforeAll
  static void writeModel() {
    model = directory.resolve("model");
    BenchModel.BRIEF.write(
        model, Path.of(System.getProperty("troupe.root"), "configs/quickstart-base"));
  }

  @Test
  void generate_isTwiceTheSpeedOfTheUncachedPath() {
    GenerateBench fast = new GenerateBench(Storage.FP32, 4, 1, 16, 24, false);
    double ratio =
        median(
            () ->
                fast.run(model, Lanes.shared(), 1).median()
                    / TrainBench.uncached(model, Lanes.shared(), 4, 16, 24).median());
    assertThat(ratio).isGreaterThan(2);
  }

  @Test
  void train_isNoSlowerThanOneTextAfterTheOther() {
    TrainBench step = new TrainBench(4, 96);
    double ratio =
        median(
            () ->
                step.run(model, Lanes.shared(), 1).get(0).median() / step.plain(model, 1).median());
    assertThat(ratio).isGreaterThan(0.9);
  }

  private static double median(DoubleSupplier ratio) {
    double[] sorted = DoubleStream.generate(ratio).limit(ROUNDS).sorted().toArray();
    return sorted[ROUNDS / 2];
  }
}
