package dev.troupe.launcher;

import dev.troupe.dashboard.DashboardServer;
import java.io.PrintWriter;
import java.nio.file.Path;
import java.util.concurrent.Callable;
import java.util.concurrent.CountDownLatch;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

/** {@code troupe dashboard}: the page of a run that goes on elsewhere or is over. */
@Command(
    name = "dashboard",
    mixinStandardHelpOptions = true,
    description = "Serves the page of a run's directory until Ctrl-C.")
final class DashboardCommand implements Callable<Integer> {
  @Spec private CommandSpec spec;

  @Parameters(paramLabel = "RUNDIR", description = "output directory of a run")
  private Path directory;

  @Option(
      names = "--port",
      paramLabel = "PORT",
      defaultValue = "8265",
      description = "to listen on, 0 for any free one (default: ${DEFAULT-VALUE})")
  private int port;

  @Option(
      names = "--host",
      paramLabel = "HOST",
      defaultValue = DashboardServer.DEFAULT_HOST,
      description = "to listen on; the page has no login (default: ${DEFAULT-VALUE})")
  private String host;

  @Override
  public Integer call() throws InterruptedException {
    PrintWriter out = spec.commandLine().getOut();
    CountDownLatch stopped = new CountDownLatch(1);
    try (DashboardServer server = DashboardServer.start(directory, host, port);
        Interrupts interrupts = new Interrupts(stopped::countDown)) {
      out.println("dashboard: " + server.url() + "  (Ctrl-C ends)");
      out.flush();
      stopped.await();
      return interrupts.interrupted() ? interrupts.exitCode() : ExitCode.OK;
    }
  }
}
