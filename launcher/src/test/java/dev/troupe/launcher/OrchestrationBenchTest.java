package dev.troupe.launcher;

import static org.assertj.core.api.Assertions.assertThat;

import dev.troupe.launcher.bench.CostModel;
import dev.troupe.launcher.bench.Measurement;
import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class OrchestrationBenchTest {
  @TempDir Path scratch;

  @Test
  void run_threeWorkersInThisJvm_givesWhatEachIterationTook() throws IOException {
    List<Measurement> measured =
        new OrchestrationBench(3, 0, 50, 1000)
            .run(Path.of("../configs/quickstart-base"), scratch, 2);
    assertThat(measured)
        .extracting(Measurement::work)
        .contains(
            "orchestration, iteration",
            "orchestration, samples",
            "orchestration, coordinator's processor",
            "orchestration, overhead",
            "orchestration, overhead, generate");
    Measurement iteration = measured.get(0);
    assertThat(iteration.values()).hasSize(2);
    // Nobody is done before the engines are: 3.4 + 5.3 + 6.1 s, 50 times faster.
    assertThat(iteration.median()).isBetween(0.29, 10.0);
    assertThat(measured.get(3).values()).allMatch(overhead -> overhead > 0);
  }

  @Test
  void cost_isThatOfTheTable() {
    CostModel cost = new CostModel(4, 1, 0);
    assertThat(16 * 128 / cost.generate(16, 128)).isBetween(315.9, 316.1);
    assertThat(128 / cost.generate(1, 128)).isBetween(41.9, 42.1);
    assertThat(cost.train(4 * 336)).isEqualTo(1);
    assertThat(new CostModel(4, 2, 0).score(385)).isEqualTo(0.125);
  }
}
