package dev.troupe.launcher;

import dev.troupe.actors.cluster.Ensemble;
import dev.troupe.actors.pipeline.PipelineConfig;
import dev.troupe.actors.pipeline.RunDirectory;
import dev.troupe.actors.trust.Authority;
import dev.troupe.actors.trust.Credentials;
import dev.troupe.configuration.ConfigurationLoader;
import dev.troupe.models.torch.Device;
import java.io.IOException;
import java.net.InetAddress;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.TreeSet;
import java.util.concurrent.Callable;
import java.util.function.Supplier;
import java.util.stream.Stream;
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
          "with --local and where a file is written: N further processes that answer the policy's prompts, each"
              + " with the policy's newest weights (default: the policy answers them itself); with"
              + " --local 0 they are started by hand, with the role rollout, and waited for. With"
              + " --hosts, the hosts with the role rollout do so")
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
      names = "--restarts",
      defaultValue = "3",
      paramLabel = "N",
      description =
          "how often nodes that end before the run is over are started again, and as often this"
              + " process's own part, which drives it; the run goes on from its last checkpoint"
              + " (default: ${DEFAULT-VALUE})")
  private int restarts;

  @Option(
      names = Supervisor.SIGN,
      hidden = true,
      description = "this process drives the run, and touches the file while it lives")
  private @Nullable Path sign;

  @Option(
      names = Supervisor.AGAIN,
      hidden = true,
      description = "this is not the first process to drive the run")
  private boolean again;

  @Option(
      names = "--port",
      defaultValue = "0",
      paramLabel = "PORT",
      description = "at which nodes join, 0 for any free one (default: ${DEFAULT-VALUE})")
  private int port;

  @Option(
      names = "--stand-by",
      paramLabel = "HOST:PORT",
      description =
          "with --local 0, --certificates and --port: drives the run when the driver at HOST:PORT is lost"
              + " and the nodes have joined here (troupe node --rejoin --join HOST:PORT,HERE:PORT)")
  private @Nullable String standBy;

  @Option(
      names = "--health",
      paramLabel = "PORT",
      description =
          "answers http://…:PORT/alive, and /ready when nodes can join, for whoever restarts"
              + " containers")
  private @Nullable Integer health;

  @Option(
      names = "--image",
      defaultValue = "troupe",
      paramLabel = "NAME",
      description =
          "with --kubernetes and --compose: the image that containers are of (docs/cluster.md says"
              + " how it is made; default: ${DEFAULT-VALUE})")
  private String image;

  @Option(
      names = "--volume",
      paramLabel = "SOURCE:PATH",
      description =
          "with --kubernetes: the claim of a volume, and its path in the pods; with --compose: a"
              + " directory and its path in the containers (default there: this directory under its"
              + " own path). Model and output are below, relative paths from there")
  private @Nullable String volume;

  @Option(
      names = "--ssh",
      defaultValue = "ssh",
      description = "with --hosts: the command that runs a line on a host (default: ssh)")
  private String ssh;

  /** One of these. */
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

    @Option(
        names = "--slurm",
        description =
            "inside a SLURM job, from its batch script: each task of the job becomes a node, by"
                + " srun. Tasks beyond the configuration's node roles answer the policy's prompts")
    private boolean slurm;

    @Option(
        names = "--sbatch",
        paramLabel = "FILE",
        description =
            "starts nothing and writes a batch script for this run, to be given to sbatch")
    private @Nullable Path sbatch;

    @Option(
        names = "--kubernetes",
        paramLabel = "FILE",
        description =
            "starts nothing and writes manifests for this run, to be given to kubectl apply, and"
                + " its certificates beside them")
    private @Nullable Path kubernetes;

    @Option(
        names = "--compose",
        paramLabel = "FILE",
        description =
            "starts nothing and writes a file for docker compose, and the run's certificates beside"
                + " it")
    private @Nullable Path compose;

    /** The file that is to be written in the place of a start. */
    Optional<Path> written() {
      return Stream.of(
              Optional.ofNullable(sbatch),
              Optional.ofNullable(kubernetes),
              Optional.ofNullable(compose))
          .flatMap(Optional::stream)
          .findFirst();
    }
  }

  @Override
  public Integer call() throws InterruptedException, IOException {
    ConfigurationLoader.Loaded<PipelineConfig> loaded = options.load();
    PipelineConfig config = loaded.value();
    Optional<Path> written = where.written();
    if (written.isPresent()) {
      checkRollouts("");
      spec.commandLine().getOut().println(write(written.get(), loaded));
      return ExitCode.OK;
    }
    if (restarts < 0) {
      throw new UserException("--restarts is " + restarts + ", allowed: at least 0");
    }
    if (standBy != null && (where.local != 0 || certificates == null || port == 0)) {
      throw new UserException(
          "--stand-by is for runs whose nodes are started by hand, which must find this process: give"
              + " --local 0, --certificates DIR and --port PORT too");
    }
    NodePlan plan = plan();
    if (certificates == null) {
      // Else more may be started by hand.
      plan.check(config);
    }
    Path supervised = sign;
    if (supervised == null && restarts > 0) {
      return supervisor(config).follow();
    }
    RunSession session =
        supervised == null
            ? new RunSession(spec, json)
            : new RunSession(spec, json, Supervised.by(System.in, supervised));
    Authority authority = authority(Path.of(config.output()));
    Credentials own = authority.issue("driver", VALIDITY).checked(Instant.now());
    if (own.endsSoon(Instant.now())) {
      session.out().println("note: the run's certificates expire on " + own.expires());
    }
    try (Health healthy = health == null ? null : Health.listen(health);
        LaunchedRun run =
            new LaunchedRun(
                config,
                plan,
                port,
                authority,
                VALIDITY,
                own,
                restarts,
                again,
                session.out(),
                seed -> {
                  if (certificates != null) {
                    session.out().println(byHand(seed, config));
                    session.out().flush();
                  }
                  if (healthy != null) {
                    healthy.ready();
                  }
                })) {
      boolean resume = options.resume();
      String driver = standBy;
      if (driver != null) {
        Optional<Ensemble> nodes =
            new StandBy(
                    config, driver, plan.driver(), port, plan.rollouts(config), own, session.out())
                .await();
        if (nodes.isEmpty()) {
          return ExitCode.OK;
        }
        run.on(nodes.get());
        resume = new RunDirectory(Path.of(config.output())).holdsTraining();
      }
      return session.follow(loaded, resume, here(config, plan.here()), false, run);
    }
  }

  private Supervisor supervisor(PipelineConfig config) {
    List<String> command = new ArrayList<>(JavaCommand.ofThisProgram());
    command.addAll(typed(spec));
    return new Supervisor(
        command,
        Supervisor.SILENT_SECONDS,
        restarts,
        new RunDirectory(Path.of(config.output()))::holdsTraining,
        () -> RunSession.resumeCommand(spec),
        new RunSession(spec, json).out(),
        spec.commandLine().getErr());
  }

  /** The arguments as a person typed them, without those of a supervisor. */
  static List<String> typed(CommandSpec spec) {
    List<String> words = new ArrayList<>(spec.root().commandLine().getParseResult().originalArgs());
    words.remove(Supervisor.AGAIN);
    int sign = words.indexOf(Supervisor.SIGN);
    if (sign >= 0) {
      words.subList(sign, sign + 2).clear();
    }
    return words;
  }

  /** Writes what starts the run elsewhere; what to do with it. */
  private String write(Path file, ConfigurationLoader.Loaded<PipelineConfig> loaded)
      throws IOException {
    if (where.sbatch != null) {
      write(file, SlurmScript.of(loaded.value(), options, rollouts).text());
      return SlurmScript.next(file);
    }
    boolean compose = where.compose != null;
    String given = volume;
    if (given == null && !compose) {
      throw new UserException(
          "--kubernetes needs --volume CLAIM:PATH: the claim of the volume that holds the model and"
              + " takes the output, and its path in the pods");
    }
    Path here = Path.of("").toAbsolutePath();
    ContainerRun run =
        ContainerRun.of(
            loaded,
            image,
            given == null
                ? new ContainerRun.Volume(here.toString(), here)
                : ContainerRun.Volume.parse(given),
            rollouts);
    Path named = certificates;
    Path keys =
        named == null
            ? file.resolveSibling(
                file.getFileName().toString().replaceFirst("\\.ya?ml$", "") + ".certificates")
            : named;
    CertificatesCommand.provide(keys, run.name(), run.nodes(), VALIDITY);
    if (compose) {
      Path own = keys.resolve(CertificatesCommand.AUTHORITY);
      int user = (int) Files.getAttribute(own, "unix:uid");
      int group = (int) Files.getAttribute(own, "unix:gid");
      write(file, ComposeFile.of(run, keys, user, group).text());
    } else {
      write(file, KubernetesManifest.of(run).text());
    }
    return "written: "
        + file
        + ", and the run's keys in "
        + keys
        + "; look at its resources, then:\n"
        + (compose ? ComposeFile.next(file) : KubernetesManifest.next(run, file, keys));
  }

  private static void write(Path file, String text) throws IOException {
    try {
      Files.writeString(file, text, StandardOpenOption.CREATE_NEW, StandardOpenOption.WRITE);
    } catch (FileAlreadyExistsException e) {
      throw new UserException(file + " exists already; remove it or name another file", e);
    }
  }

  private NodePlan plan() throws IOException {
    if (where.slurm) {
      checkRollouts("give the job tasks beyond the configuration's node roles");
      return new SlurmNodes(SlurmAllocation.here(), host(LaunchCommand::ownHost));
    }
    Path hosts = where.hosts;
    if (hosts != null) {
      HostsFile file = HostsFile.read(hosts);
      checkRollouts("in " + hosts + " give hosts the role " + Ensemble.ROLLOUT);
      return new HostNodes(file, ssh, host(LaunchCommand::ownHost));
    }
    if (where.local < (certificates == null ? 1 : 0)) {
      throw new UserException(
          "--local is "
              + where.local
              + ", allowed: at least 1, or 0 with --certificates, where all nodes are started by"
              + " hand");
    }
    checkRollouts("");
    return new LocalNodes(where.local, rollouts, host(() -> LOOPBACK));
  }

  /**
   * @param instead what to do where the option is of no use; empty where it is of use
   */
  private void checkRollouts(String instead) {
    if (rollouts < 0) {
      throw new UserException("--rollouts is " + rollouts + ", allowed: at least 0");
    }
    if (rollouts > 0 && !instead.isEmpty()) {
      throw new UserException(
          "--rollouts is for --local, --sbatch, --kubernetes and --compose; "
              + instead
              + " instead");
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

  /** What to say to a node that is started by hand. */
  private static String byHand(Ensemble seed, PipelineConfig config) {
    return "a node that is started by hand joins with: "
        + Invocation.line(
            "node",
            "--join",
            seed.address(),
            "--roles",
            String.join(",", new TreeSet<>(NodePlan.roles(config))),
            "--certificates",
            "DIR/NODE",
            "--output",
            config.output());
  }

  private String host(Supplier<String> otherwise) {
    String named = host;
    return named == null ? otherwise.get() : named;
  }

  private static String ownHost() {
    try {
      return InetAddress.getLocalHost().getHostName();
    } catch (IOException e) {
      throw new UserException(
          "this machine's host name cannot be found (" + e.getMessage() + "); name it by --host",
          e);
    }
  }
}
