package dev.troupe.launcher;

import com.fasterxml.jackson.core.JsonProcessingException;
import dev.troupe.actors.pipeline.EvalConfig;
import dev.troupe.configuration.EvalConfigurations;
import java.io.PrintWriter;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

/** {@code troupe eval}: measures a model outside a run. */
@Command(
    name = "eval",
    mixinStandardHelpOptions = true,
    description =
        "Measures a model with or without an adapter: perplexity, rewards and pass@k of its answers,"
            + " its win rate over another, classification by a template.",
    footer = {
      "",
      "With --json, one object: what was measured by perplexity, answers, against,",
      "winRate and classification; intervals (low, high) are of 95 %%. Progress and",
      "notices go to standard error."
    })
final class EvalCommand implements Callable<Integer> {
  @Spec private CommandSpec spec;

  @Parameters(paramLabel = "CONF", description = "configuration file, see docs/evaluation.md")
  private Path file = Path.of("");

  @Option(
      names = "--set",
      paramLabel = "KEY=VALUE",
      description =
          "overrides a key of the configuration, such as answers.per-problem=8; repeatable")
  private List<String> overrides = List.of();

  @Option(names = "--json", description = "one JSON object instead of text")
  private boolean json;

  @Override
  public Integer call() throws JsonProcessingException {
    EvalConfig config = EvalConfigurations.loader().load(file, overrides).value();
    PrintWriter out = spec.commandLine().getOut();
    PrintWriter err = spec.commandLine().getErr();
    EvalReport report = new EvalSession(config, err).measure();
    out.println(json ? OutputJson.mapper().writeValueAsString(report.json()) : report.text());
    out.flush();
    return ExitCode.OK;
  }
}
