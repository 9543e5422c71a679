package dev.troupe.launcher;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import dev.troupe.launcher.bench.BenchModel;
import dev.troupe.launcher.bench.Measurement;
import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class RulesBenchTest {
  @TempDir Path scratch;

  @Test
  void run_tellsEachRule_allOfThem_andTheirShareOfTheIteration() throws IOException {
    Path model = scratch.resolve("model");
    BenchModel.TINY.write(model, Path.of("../configs/quickstart-base"));
    IterationBench iterations = new IterationBench(IterationBench.Kind.GRPO, 2, 4, 8, 16);
    List<Measurement> measured = new RulesBench(iterations).run(model, scratch, 1, List.of());
    List<Measurement> rules = measured.subList(measured.size() - 12, measured.size());
    assertThat(rules)
        .extracting(Measurement::work)
        .containsExactly(
            "rules, exact",
            "rules, format",
            "rules, length",
            "rules, math",
            "rules, number",
            "rules, overlong",
            "rules, pattern",
            "rules, quantity",
            "rules, repetition",
            "rules, script",
            "rules, all 10",
            "rules, of an iteration");
    assertThat(measured.get(0).work()).isEqualTo("grpo");
    double share = rules.get(10).median() / 1000 / measured.get(0).median();
    assertThat(rules.get(11).median()).isCloseTo(100 * share, within(1e-9));
    assertThat(rules.get(11).text()).contains(" %; demanded at most 1: ");
  }
}
