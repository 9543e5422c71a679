package dev.troupe.launcher;

import dev.troupe.protocol.data.SamplingSettings;
import java.io.IOException;
import java.nio.charset.Charset;
import java.nio.charset.StandardCharsets;
import java.util.concurrent.Callable;
import org.jline.terminal.Terminal;
import org.jline.terminal.TerminalBuilder;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParentCommand;
import picocli.CommandLine.Spec;

/** {@code troupe chat}: talk to a model. */
@Command(
    name = "chat",
    mixinStandardHelpOptions = true,
    description =
        "Talks to a model. /help lists what it takes; Ctrl-C ends an answer, Ctrl-D the chat.")
final class ChatCommand implements Callable<Integer> {
  @Spec private CommandSpec spec;
  @ParentCommand private Troupe troupe;
  @Mixin private ModelOptions model;
  @Mixin private SamplingOptions sampling;
  @Mixin private EngineOptions numbers;

  @Option(names = "--system", paramLabel = "TEXT", description = "a system message to begin with")
  private String system = "";

  @Override
  public Integer call() throws IOException {
    SamplingSettings settings = sampling.settings();
    try (OneModel opened =
            model.open(troupe.models(), sampling.temperatureOfLogprobs(), numbers.engine());
        Terminal terminal =
            TerminalBuilder.builder().dumb(true).encoding(terminalEncoding()).build()) {
      new Chat(opened, settings, system, terminal).talk();
      terminal.flush();
    }
    spec.commandLine().getOut().flush();
    return ExitCode.OK;
  }

  /** The locale's, or UTF-8 where that is ASCII and could not say most of what a model says. */
  private static Charset terminalEncoding() {
    Charset locales = GivenArguments.encoding();
    return locales.equals(StandardCharsets.US_ASCII) ? StandardCharsets.UTF_8 : locales;
  }
}
