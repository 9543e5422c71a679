package dev.troupe.launcher;

import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.ParentCommand;
import picocli.CommandLine.Spec;

/** {@code troupe data}: data to train on. */
@Command(
    name = "data",
    mixinStandardHelpOptions = true,
    description = "Makes data to train on.",
    subcommands = SelfInstructCommand.class)
final class DataCommand implements Runnable {
  @Spec private CommandSpec spec;
  @ParentCommand private Troupe troupe;

  OneModel.Opener models() {
    return troupe.models();
  }

  @Override
  public void run() {
    throw new ParameterException(spec.commandLine(), "name a command");
  }
}
