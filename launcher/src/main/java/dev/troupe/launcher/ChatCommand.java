package dev.troupe.launcher;

import dev.troupe.protocol.data.ChatMessage;
import dev.troupe.protocol.data.Rollout;
import dev.troupe.protocol.data.SamplingSettings;
import dev.troupe.protocol.data.TokenIds;
import java.io.IOException;
import java.io.PrintWriter;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.concurrent.Callable;
import org.jline.reader.EndOfFileException;
import org.jline.reader.LineReader;
import org.jline.reader.LineReaderBuilder;
import org.jline.reader.UserInterruptException;
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
    description = "Talks to a model. /exit or Ctrl-D ends, /reset forgets the dialogue.")
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
        Terminal terminal = TerminalBuilder.builder().dumb(true).build()) {
      LineReader reader = LineReaderBuilder.builder().terminal(terminal).build();
      if (!opened.hasChatTemplate()) {
        terminal
            .writer()
            .println("The model has no chat template: each line is continued as plain text.");
      }
      talk(opened, settings, reader, terminal.writer());
    }
    spec.commandLine().getOut().flush();
    return ExitCode.OK;
  }

  private void talk(
      OneModel opened, SamplingSettings settings, LineReader reader, PrintWriter out) {
    List<ChatMessage> dialogue = new ArrayList<>();
    long turn = 0;
    reset(dialogue);
    while (true) {
      String line;
      try {
        line = reader.readLine("> ").strip();
      } catch (EndOfFileException | UserInterruptException e) {
        return;
      }
      if (line.equals("/exit")) {
        return;
      }
      if (line.equals("/reset")) {
        reset(dialogue);
        continue;
      }
      if (line.isEmpty()) {
        continue;
      }
      TokenIds prompt = prompt(opened, dialogue, line);
      if (prompt.size() >= opened.contextLength()) {
        out.printf(
            Locale.ROOT,
            "The dialogue has %d tokens, the model's context is %d; /reset begins anew.%n",
            prompt.size(),
            opened.contextLength());
        dialogue.remove(dialogue.size() - 1);
        continue;
      }
      Rollout answer =
          opened.generate(
              prompt,
              settings.withSeed(settings.seed() + turn++),
              text -> {
                out.print(text);
                out.flush();
              });
      out.println();
      out.flush();
      dialogue.add(new ChatMessage("assistant", answer.text()));
    }
  }

  /** Adds the line to the dialogue and returns what the model reads. */
  private static TokenIds prompt(OneModel opened, List<ChatMessage> dialogue, String line) {
    dialogue.add(new ChatMessage("user", line));
    return opened.hasChatTemplate() ? opened.encode(dialogue) : opened.encode(line);
  }

  private void reset(List<ChatMessage> dialogue) {
    dialogue.clear();
    if (!system.isEmpty()) {
      dialogue.add(new ChatMessage("system", system));
    }
  }
}
