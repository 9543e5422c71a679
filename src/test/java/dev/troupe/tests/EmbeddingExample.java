package dev.troupe.tests;

// README:begin
import dev.troupe.actors.pipeline.Pipeline;
import dev.troupe.actors.pipeline.PipelineConfig;
import dev.troupe.actors.pipeline.RunHandle;
import dev.troupe.actors.pipeline.RunRequest;
import dev.troupe.actors.pipeline.RunResult;
import dev.troupe.configuration.PipelineConfigurations;
import dev.troupe.dashboard.DashboardServer;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;

final class EmbeddingExample {
  private EmbeddingExample() {}

  static RunResult train(Path configuration, List<String> overrides) {
    var loaded = PipelineConfigurations.loader().load(configuration, overrides);
    PipelineConfig config = loaded.value();
    RunHandle run =
        Pipeline.start(
            RunRequest.of(config, loaded.text())
                .listener(
                    (stage, step, total, metrics) ->
                        System.out.printf(
                            Locale.ROOT, "%s %d/%d %s%n", stage, step, total, metrics))
                .page(DashboardServer::start));
    run.page().ifPresent(page -> System.out.println("follow it on " + page));
    // run.cancel() stops at the next step; Pipeline.resume goes on from there.
    RunResult result = run.result().join();
    System.out.println(result.outcome() + ", see " + result.directory());
    return result;
  }
}
// README:end
