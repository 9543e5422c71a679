package dev.troupe.launcher;

import dev.troupe.launcher.bench.Limits;
import dev.troupe.launcher.bench.Measurement;
import dev.troupe.models.torch.Lanes;
import java.io.PrintWriter;
import java.util.List;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

/** What all measurements of {@code troupe bench} share. */
final class BenchOptions {
  @Spec(Spec.Target.MIXEE)
  private CommandSpec spec;

  @Option(names = "--json", description = "one JSON object per figure")
  private boolean json;

  @Option(
      names = "--rounds",
      paramLabel = "N",
      description = "times to measure after warming up; default ${DEFAULT-VALUE}")
  private int rounds = 5;

  void print(List<Measurement> measured) {
    PrintWriter out = spec.commandLine().getOut();
    measured.forEach(one -> out.println(json ? one.json() : one.text()));
    out.flush();
  }

  Limits limits() {
    return Limits.measure(Lanes.shared(), 3);
  }

  /** Times to measure after warming up. */
  int rounds() {
    return rounds;
  }
}
