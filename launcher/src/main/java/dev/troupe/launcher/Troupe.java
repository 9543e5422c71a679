package dev.troupe.launcher;

import dev.troupe.actors.pipeline.PipelineConfig;
import java.io.OutputStreamWriter;
import java.io.PrintStream;
import java.io.PrintWriter;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.Optional;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.IVersionProvider;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Spec;

/** The program. */
@Command(
    name = "troupe",
    mixinStandardHelpOptions = true,
    versionProvider = Troupe.Version.class,
    description = "RLHF for the JVM: SFT, reward model, PPO, GRPO, DPO, KTO and ORPO.",
    exitCodeListHeading = "%nExit codes:%n",
    exitCodeList = {
      "0:done",
      "1:failed, through no fault of the command line",
      "2:something to mend: usage, configuration, data, model",
      "130:interrupted (Ctrl-C)",
      "143:ended by SIGTERM"
    },
    subcommands = {
      RunCommand.class,
      PlanCommand.class,
      LaunchCommand.class,
      NodeCommand.class,
      CertificatesCommand.class,
      ChatCommand.class,
      GenerateCommand.class,
      LogprobsCommand.class,
      EvalCommand.class,
      ExportCommand.class,
      DataCommand.class,
      QuantiseCommand.class,
      DashboardCommand.class,
      BenchCommand.class,
      DoctorCommand.class,
    })
public final class Troupe implements Runnable {
  @Spec private CommandSpec spec;

  private final OneModel.Opener models;

  private Troupe(OneModel.Opener models) {
    this.models = models;
  }

  /** How one-off commands open a model. */
  OneModel.Opener models() {
    return models;
  }

  public static void main(String[] arguments) {
    PrintWriter err = utf8(System.err);
    String[] given;
    try {
      given = GivenArguments.of(arguments);
    } catch (UserException e) {
      System.exit(UserErrors.report(e, err));
      return;
    }
    System.exit(execute(utf8(System.out), err, given));
  }

  /**
   * Does what the arguments say, in this JVM.
   *
   * @return the exit code
   */
  public static int execute(PrintWriter out, PrintWriter err, String... arguments) {
    try {
      return commandLine(Troupe::openModel, out, err).execute(arguments);
    } catch (Error e) {
      return UserErrors.report(e, err);
    }
  }

  /** The command line with its ways of failing, printing to the writers given. */
  static CommandLine commandLine(OneModel.Opener models, PrintWriter out, PrintWriter err) {
    CommandLine line = new CommandLine(new Troupe(models));
    line.setOut(out);
    line.setErr(err);
    line.setCaseInsensitiveEnumValuesAllowed(true);
    line.setUsageHelpAutoWidth(true);
    line.setParameterExceptionHandler(Troupe::misused);
    line.setExecutionExceptionHandler(
        (thrown, command, parsed) -> UserErrors.report(thrown, command.getErr()));
    return line;
  }

  private static OneModel openModel(
      Path model, Optional<Path> adapter, double temperature, PipelineConfig.Engine engine) {
    return OpenedModel.open(
        Engines.create(engine.device()), model, adapter, temperature, engine.numerics());
  }

  /** Scripts read our JSON whatever the locale. */
  private static PrintWriter utf8(PrintStream stream) {
    return new PrintWriter(new OutputStreamWriter(stream, StandardCharsets.UTF_8), true);
  }

  private static int misused(ParameterException thrown, String[] arguments) {
    CommandLine command = thrown.getCommandLine();
    PrintWriter err = command.getErr();
    err.println("error: " + UserErrors.withPath(thrown));
    if (!CommandLine.UnmatchedArgumentException.printSuggestions(thrown, err)) {
      err.println("see: " + command.getCommandSpec().qualifiedName() + " --help");
    }
    return ExitCode.USER_ERROR;
  }

  @Override
  public void run() {
    throw new ParameterException(spec.commandLine(), "name a command");
  }

  /** From the jar's manifest. */
  static final class Version implements IVersionProvider {
    @Override
    public String[] getVersion() {
      String version = Troupe.class.getPackage().getImplementationVersion();
      return new String[] {"troupe " + (version == null ? "(development)" : version)};
    }
  }
}
