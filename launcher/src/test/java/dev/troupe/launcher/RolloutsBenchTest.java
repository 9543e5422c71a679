package dev.troupe.launcher;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import dev.troupe.launcher.bench.CostModel;
import dev.troupe.launcher.bench.Measurement;
import dev.troupe.launcher.bench.SimulatedEngines;
import dev.troupe.rlhf.recipe.RolloutsConfig;
import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class RolloutsBenchTest {
  @TempDir Path scratch;

  @Test
  void run_fourWorkers_staleOnes_areNearerToTheBound() throws IOException {
    RolloutsBench bench = new RolloutsBench(4, 2, 20, new SimulatedEngines.Lengths(48, 0.8));
    List<Measurement> measured =
        bench.run(new RolloutsConfig(true, 1), Path.of("../configs/quickstart-base"), scratch, 3);
    assertThat(measured)
        .extracting(Measurement::work)
        .containsExactly(
            "rollouts, iteration",
            "rollouts, mean of the iterations",
            "rollouts, sampling of an iteration",
            "rollouts, learning of an iteration",
            "rollouts, resource bound over time");
    assertThat(measured.get(0).values()).hasSize(3);
    // Nobody is faster than all that there is; the machine may be busy with other things.
    assertThat(measured.get(4).median()).isBetween(0.05, 1.3);
  }

  /** A row that has ended costs nothing more: 10 steps of two rows, 20 of one. */
  @Test
  void cost_ofAnswersOfDifferentLengths() {
    CostModel cost = new CostModel(1, 1, 0);
    assertThat(cost.generate(new int[] {30, 10}))
        .isCloseTo(cost.generate(2, 10) + cost.generate(1, 20), within(1e-12));
    assertThat(cost.generate(new int[0])).isZero();
    assertThat(new CostModel(2, 1, 2.5, 0).train(5 * 336)).isEqualTo(1);
  }
}
