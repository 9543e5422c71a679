package dev.troupe.launcher;

import dev.troupe.actors.cluster.Ensemble;
import dev.troupe.actors.pipeline.Pipeline;
import dev.troupe.actors.pipeline.PipelineConfig;
import dev.troupe.actors.trust.Authority;
import dev.troupe.actors.trust.Credentials;
import dev.troupe.configuration.ConfigurationLoader;
import dev.troupe.models.torch.Device;
import java.io.IOException;
import java.io.PrintWriter;
import java.net.InetAddress;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeSet;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.ArgGroup;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

/** {@code troupe launch}: starts the nodes of a cluster, runs the pipeline on them, stops them. */
@Command(
    name = "launch",
    mixinStandardHelpOptions = true,
    description =
        "Starts the nodes, joins them, runs the pipeline on them, and stops them all, also on"
            + " Ctrl-C. Each node's output is in RUNDIR/nodes/.")
final class LaunchCommand implements Callable<Integer> {
  private static final String LOOPBACK = "127.0.0.1";

  /** Of certificates that live in memory, for as long as the run does. */
  private static final Duration VALIDITY = Duration.ofDays(365);

  @Spec private CommandSpec spec;
  @Mixin private RunOptions options;

  @ArgGroup(multiplicity = "1")
  private Where where;

  @Option(
      names = "--rollouts",
      paramLabel = "N",
      defaultValue = "0",
      description =
          "with --local: N further processes that answer the policy's prompts, each with the"
              + " policy's newest weights (default: the policy answers them itself). With --hosts,"
              + " the hosts with the role rollout do so")
  private int rollouts;

  @Option(names = "--json", description = "nothing but summary.json on standard output")
  private boolean json;

  @Option(
      names = "--host",
      description =
          "the name or address at which nodes of other hosts reach this machine (default: with"
              + " --hosts its own host name, with --local 127.0.0.1)")
  private @Nullable String host;

  @Option(
      names = "--certificates",
      paramLabel = "DIR",
      description =
          "issue the nodes' certificates by the authority that troupe certificates made in DIR, so"
              + " that nodes started by hand can join (default: a new authority for this run, in"
              + " memory)")
  private @Nullable Path certificates;

  @Option(
      names = "--ssh",
      defaultValue = "ssh",
      description = "with --hosts: the command that runs a line on a host (default: ssh)")
  private String ssh;

  /** One of the two. */
  private static final class Where {
    @Option(
        names = "--local",
        paramLabel = "N",
        description =
            "N processes on this machine; 0, with --certificates, where all nodes are started by"
                + " hand")
    private int local;

    @Option(
        names = "--hosts",
        paramLabel = "FILE",
        description =
            "over ssh; a line each: HOST ROLE[,ROLE] [DEVICE]. Every host has Troupe, the model and the"
                + " output directory under the same paths")
    private @Nullable Path hosts;
  }

  @Override
  public Integer call() throws InterruptedException, IOException {
    ConfigurationLoader.Loaded<PipelineConfig> loaded = options.load();
    PipelineConfig config = loaded.value();
    RunSession session = new RunSession(spec, json);
    Path logs = Path.of(config.output()).resolve("nodes");
    Path hosts = where.hosts;
    HostsFile file = hosts == null ? null : HostsFile.read(hosts);
    if (file == null && where.local < (certificates == null ? 1 : 0)) {
      throw new UserException(
          "--local is "
              + where.local
              + ", allowed: at least 1, or 0 with --certificates, where all nodes are started by"
              + " hand");
    }
    if (rollouts < 0) {
      throw new UserException("--rollouts is " + rollouts + ", allowed: at least 0");
    }
    if (file != null && rollouts > 0) {
      throw new UserException(
          "--rollouts is for --local; in "
              + hosts
              + " give hosts the role "
              + Ensemble.ROLLOUT
              + " instead");
    }
    Authority authority = authority(Path.of(config.output()));
    Credentials own = authority.issue("driver", VALIDITY).checked(Instant.now());
    if (own.endsSoon(Instant.now())) {
      session.out().println("note: the run's certificates expire on " + own.expires());
    }
    // The children end with this command, however it ends.
    try (Children children = new Children(logs)) {
      return session.follow(
          loaded,
          options.resume(),
          here(config, file == null),
          false,
          request -> {
            Ensemble seed =
                file == null
                    ? Ensemble.seed(localHost(), 0, rollouts, own)
                    : Ensemble.seed(ownHost(), 0, file.count(Ensemble.ROLLOUT), own);
            if (certificates != null) {
              session.out().println(byHand(seed, config));
              session.out().flush();
            }
            var handle =
                options.resume()
                    ? Pipeline.resume(request.on(seed))
                    : Pipeline.start(request.on(seed));
            if (file == null) {
              startLocal(children, seed, authority, config, session.out());
            } else {
              startRemote(children, seed, authority, config, file, session.out());
            }
            return handle;
          });
    }
  }

  private Authority authority(Path output) {
    Path directory = certificates;
    return directory == null
        ? Authority.create(String.valueOf(output.toAbsolutePath().getFileName()), VALIDITY)
        : Authority.read(directory.resolve(CertificatesCommand.AUTHORITY));
  }

  /** The device whose memory can be asked for: not one of other hosts. */
  private static Optional<Device> here(PipelineConfig config, boolean local) {
    String named = config.engine().device();
    return local || !Device.namesCuda(named) ? Optional.of(Device.of(named)) : Optional.empty();
  }

  private void startLocal(
      Children children,
      Ensemble seed,
      Authority authority,
      PipelineConfig config,
      PrintWriter out) {
    List<String> roles = new ArrayList<>(new TreeSet<>(config.cluster().placement().values()));
    int count = Math.min(where.local, roles.size());
    String named = config.engine().device();
    Device chosen = Device.of(named);
    if (where.local > roles.size()) {
      out.println(
          "the configuration places roles on "
              + roles.size()
              + " nodes ("
              + String.join(", ", roles)
              + "); starting "
              + count);
    }
    for (int i = 0; i < count; i++) {
      List<String> own = new ArrayList<>();
      for (int r = i; r < roles.size(); r += count) {
        own.add(roles.get(r));
      }
      startLocal(
          children,
          seed,
          String.join("-", own),
          String.join(",", own),
          device(named, chosen, i, Device.cudaDevices()),
          config,
          handOver(authority, String.join("-", own), config),
          out);
    }
    for (int i = 1; i <= rollouts; i++) {
      startLocal(
          children,
          seed,
          Ensemble.ROLLOUT + "-" + i,
          Ensemble.ROLLOUT,
          device(named, chosen, count + i - 1, Device.cudaDevices()),
          config,
          handOver(authority, Ensemble.ROLLOUT + "-" + i, config),
          out);
    }
    out.flush();
  }

  /** Nodes of one machine take its CUDA devices in turn, unless the configuration names one. */
  static String device(String named, Device chosen, int node, int devices) {
    boolean any = named.equals("auto") || named.equals("cuda");
    return any && chosen.isCuda() ? Device.cuda(node % devices).toString() : named;
  }

  private void startLocal(
      Children children,
      Ensemble seed,
      String name,
      String own,
      String device,
      PipelineConfig config,
      HandOver said,
      PrintWriter out) {
    List<String> command = new ArrayList<>(JavaCommand.ofThisProgram());
    command.addAll(
        List.of(
            "node",
            "--join",
            seed.address(),
            "--roles",
            own,
            "--device",
            device,
            "--host",
            localHost(),
            "--join-timeout",
            String.valueOf(config.cluster().joinTimeoutSeconds()),
            "--managed"));
    children.start(name, command, said, end -> ended(seed, said, end, out));
    out.println("node " + name + ": process " + children.pids().get(children.pids().size() - 1));
  }

  private static HandOver handOver(Authority authority, String node, PipelineConfig config) {
    return new HandOver(config.output(), authority.issue(node, VALIDITY));
  }

  private void startRemote(
      Children children,
      Ensemble seed,
      Authority authority,
      PipelineConfig config,
      HostsFile file,
      PrintWriter out) {
    String device = config.engine().device();
    String home = System.getenv().getOrDefault("TROUPE_HOME", System.getProperty("user.dir"));
    Map<String, Integer> nodesOf = new HashMap<>();
    for (HostsFile.Host node : file.hosts()) {
      String line =
          "cd '"
              + home.replace("'", "'\\''")
              + "' && ./troupe node --join "
              + seed.address()
              + " --roles "
              + String.join(",", node.roles())
              + " --host "
              + node.name().replaceFirst(".*@", "")
              + " --device "
              + node.device().orElse(device)
              + " --join-timeout "
              + config.cluster().joinTimeoutSeconds()
              + " --managed";
      List<String> command = new ArrayList<>(List.of(ssh.split(" ", -1)));
      command.add(node.name());
      command.add(line);
      int before = nodesOf.merge(node.name(), 1, Integer::sum) - 1;
      String name = before == 0 ? node.name() : node.name() + "-" + (before + 1);
      HandOver said = handOver(authority, name, config);
      children.start(name, command, said, end -> ended(seed, said, end, out));
    }
    out.flush();
  }

  /** A node that left because the run is over ends with 0. */
  private static void ended(Ensemble seed, HandOver said, Children.End end, PrintWriter out) {
    boolean waitedFor = seed.ended(said.credentials(), end.sentence());
    if (!waitedFor && end.code() != ExitCode.OK) {
      out.println("\n" + end.sentence());
      out.flush();
    }
  }

  /** What to say to a node that is started by hand. */
  private static String byHand(Ensemble seed, PipelineConfig config) {
    return "a node that is started by hand joins with: "
        + Invocation.line(
            "node",
            "--join",
            seed.address(),
            "--roles",
            String.join(",", new TreeSet<>(config.cluster().placement().values())),
            "--certificates",
            "DIR/NODE",
            "--output",
            config.output());
  }

  private String localHost() {
    String named = host;
    return named == null ? LOOPBACK : named;
  }

  private String ownHost() {
    String named = host;
    if (named != null) {
      return named;
    }
    try {
      return InetAddress.getLocalHost().getHostName();
    } catch (IOException e) {
      throw new UserException(
          "this machine's host name cannot be found (" + e.getMessage() + "); name it by --host",
          e);
    }
  }
}
