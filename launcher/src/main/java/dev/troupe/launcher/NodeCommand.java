package dev.troupe.launcher;

import dev.troupe.actors.cluster.CutOffException;
import dev.troupe.actors.cluster.Ensemble;
import dev.troupe.actors.role.RunFiles;
import dev.troupe.actors.shortage.Headroom;
import dev.troupe.configuration.PipelineConfigurations;
import dev.troupe.engine.RoleEngine;
import dev.troupe.engine.generation.Operators;
import dev.troupe.models.torch.Torch;
import java.io.IOException;
import java.io.PrintWriter;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.concurrent.CompletionException;
import org.jline.utils.Signals;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.IDefaultValueProvider;
import picocli.CommandLine.Model.ArgSpec;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Model.OptionSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

/** {@code troupe node}: one node of a cluster, until the run is over. */
@Command(
    name = "node",
    mixinStandardHelpOptions = true,
    defaultValueProvider = NodeCommand.Defaults.class,
    description = "Joins a run and plays the roles placed on this node, until the run is over.")
final class NodeCommand implements Callable<Integer> {
  @Spec private CommandSpec spec;

  @Option(
      names = "--join",
      required = true,
      paramLabel = "HOST:PORT",
      description =
          "the run's own node, as troupe launch prints it; several, with commas, where others stand by"
              + " to drive it (launch --stand-by)")
  private String join;

  @Option(
      names = "--roles",
      required = true,
      split = ",",
      paramLabel = "ROLE",
      description = "node roles that the configuration's cluster section names")
  private List<String> roles;

  @Option(
      names = "--host",
      defaultValue = "127.0.0.1",
      description = "address to listen on and to be reached at (default: ${DEFAULT-VALUE})")
  private String host;

  @Option(
      names = "--port",
      defaultValue = "0",
      description = "port to listen on, 0 for any free one (default: ${DEFAULT-VALUE})")
  private int port;

  @Option(
      names = "--health",
      paramLabel = "PORT",
      description =
          "answers http://…:PORT/alive, and /ready once it has joined, for whoever restarts"
              + " containers")
  private @Nullable Integer health;

  @Option(
      names = "--join-timeout",
      paramLabel = "SECONDS",
      description = "how long to try (default: ${DEFAULT-VALUE})")
  private int timeout;

  @Option(
      names = "--rejoin",
      description =
          "joins again when it is cut off from its run, or the run's driver is lost, for as long as"
              + " --join-timeout, in the place of ending")
  private boolean rejoin;

  @Option(
      names = "--device",
      defaultValue = "auto",
      paramLabel = "NAME",
      description = "what computes: auto, cpu, cuda or cuda:N (default: ${DEFAULT-VALUE})")
  private String device;

  @Option(
      names = "--certificates",
      paramLabel = "DIR",
      description =
          "the directory that troupe certificates made for this node, by the authority that the"
              + " run has by troupe launch --certificates")
  private @Nullable Path certificates;

  @Option(
      names = "--output",
      paramLabel = "DIR",
      description = "the run's output directory, the only place where this node writes")
  private @Nullable Path output;

  @Option(
      names = "--managed",
      hidden = true,
      description =
          "take credentials and output directory from standard input, and end when that closes")
  private boolean managed;

  /** The time to join is the one of the configuration. */
  static final class Defaults implements IDefaultValueProvider {
    @Override
    public @Nullable String defaultValue(ArgSpec argument) {
      return argument instanceof OptionSpec option && option.longestName().equals("--join-timeout")
          ? String.valueOf(PipelineConfigurations.joinTimeout().toSeconds())
          : null;
    }
  }

  @Override
  public Integer call() throws IOException {
    Ensemble.Place place = managed ? HandOver.read(System.in).place() : byHand();
    place.credentials().checked(Instant.now());
    Headroom.forThreads();
    PrintWriter out = spec.commandLine().getOut();
    RoleEngine.Factory engines = Engines.create(device);
    try (Health healthy = health == null ? null : Health.listen(health)) {
      while (takesPart(place, engines, healthy, out)) {
        out.println("joining again");
        out.flush();
      }
    }
    return ExitCode.OK;
  }

  /**
   * Until the run is over, or goes on without this node.
   *
   * @return whether it is to join again
   */
  private boolean takesPart(
      Ensemble.Place place, RoleEngine.Factory engines, @Nullable Health healthy, PrintWriter out) {
    try (Ensemble node =
        Ensemble.node(host, port, join, roles, Duration.ofSeconds(timeout), place, engines)) {
      if (healthy != null) {
        healthy.ready();
      }
      out.println(
          "joined "
              + join
              + " as "
              + node.address()
              + ", roles "
              + roles
              + ", device "
              + Torch.device()
              + ", kernels "
              + Operators.available());
      if (place.credentials().endsSoon(Instant.now())) {
        out.println(
            "note: this node's certificate expires on "
                + place.credentials().expires()
                + "; after that no new connection is made");
      }
      out.flush();
      if (managed) {
        endWithStandardInput();
      }
      node.ended().join();
      return false;
    } catch (CompletionException e) {
      if (rejoin && e.getCause() instanceof CutOffException cut) {
        out.println(cut.getMessage());
        return true;
      }
      throw e;
    }
  }

  private Ensemble.Place byHand() throws IOException {
    Path directory = certificates;
    if (directory == null) {
      throw new UserException(
          "nodes of a run know one another by certificates: make them with 'troupe certificates"
              + " DIR NODE', start the run with 'troupe launch --certificates DIR', and this node"
              + " with --certificates DIR/NODE");
    }
    Path run = output;
    if (run == null) {
      throw new UserException(
          "name the run's output directory by --output DIR: it is the only place where this node"
              + " writes");
    }
    return new Ensemble.Place(CertificatesCommand.read(directory), RunFiles.of(run));
  }

  /** A launcher that is gone, however it went, closes our standard input. */
  static void endWithStandardInput() {
    // A terminal sends Ctrl-C to all its processes; what it means here, the launcher says.
    Signals.register("INT", () -> {});
    Thread watch =
        new Thread(
            () -> {
              try {
                while (System.in.read() >= 0) {
                  // Nothing is said to us.
                }
              } catch (IOException e) {
                // As good as closed.
              }
              Torch.end();
              Runtime.getRuntime().halt(ExitCode.OK);
            },
            "managed");
    watch.setDaemon(true);
    watch.start();
  }
}
