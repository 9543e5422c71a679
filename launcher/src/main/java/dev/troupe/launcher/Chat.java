package dev.troupe.launcher;

import dev.troupe.models.tokenizer.TextTooLongException;
import dev.troupe.protocol.data.ChatMessage;
import dev.troupe.protocol.data.FinishReason;
import dev.troupe.protocol.data.Rollout;
import dev.troupe.protocol.data.SamplingSettings;
import dev.troupe.protocol.data.TokenIds;
import java.io.PrintWriter;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.concurrent.CancellationException;
import java.util.concurrent.atomic.AtomicBoolean;
import org.jline.reader.EndOfFileException;
import org.jline.reader.LineReader;
import org.jline.reader.LineReaderBuilder;
import org.jline.reader.UserInterruptException;
import org.jline.terminal.Terminal;

/** A dialogue between a person at a terminal and a model. For one thread. */
final class Chat {
  private static final String HELP =
      """
      /reset   forgets the dialogue
      /exit    leaves; so do Ctrl-D, and Ctrl-C twice
      /help    this
      Ctrl-C ends the answer that is being given, and empties a line that is being typed.
      A line that is to begin with a slash begins with two.""";

  private final OneModel model;
  private final SamplingSettings settings;
  private final String system;
  private final LineReader reader;
  private final PrintWriter out;

  /** Ctrl-C was pressed since the answer began. */
  private final AtomicBoolean stopped = new AtomicBoolean();

  private final List<ChatMessage> dialogue = new ArrayList<>();
  private long turn;

  /**
   * @param system message to begin with, or empty
   */
  Chat(OneModel model, SamplingSettings settings, String system, Terminal terminal) {
    this.model = model;
    this.settings = settings;
    this.system = system;
    // Else "!" would call up earlier lines, or be refused, and backslashes would vanish.
    reader =
        LineReaderBuilder.builder()
            .terminal(terminal)
            .option(LineReader.Option.DISABLE_EVENT_EXPANSION, true)
            .build();
    out = terminal.writer();
    // While a line is read, the reader has a handler of its own.
    terminal.handle(Terminal.Signal.INT, signal -> stopped.set(true));
  }

  /** Talks until the person leaves. */
  void talk() {
    if (!model.hasChatTemplate()) {
      out.println("The model has no chat template: each line is continued as plain text.");
    }
    out.println("/help tells what else there is; Ctrl-D leaves.");
    reset();
    boolean leaving = false;
    while (true) {
      String line;
      try {
        line = reader.readLine("> ").strip();
      } catch (EndOfFileException e) {
        return;
      } catch (UserInterruptException e) {
        if (leaving) {
          return;
        }
        leaving = e.getPartialLine().isBlank();
        if (leaving) {
          out.println("Ctrl-C again leaves.");
        }
        continue;
      }
      leaving = false;
      if (line.matches("/\\w*")) {
        if (line.equals("/exit")) {
          return;
        }
        command(line);
      } else if (!line.isEmpty()) {
        answer(line.startsWith("//") ? line.substring(1) : line);
      }
      out.flush();
    }
  }

  private void command(String name) {
    switch (name) {
      case "/help" -> out.println(HELP);
      case "/reset" -> {
        reset();
        out.println("The dialogue begins anew.");
      }
      default -> out.println(name + " is no command here. There are:\n" + HELP);
    }
  }

  private void answer(String line) {
    dialogue.add(new ChatMessage("user", line));
    TokenIds prompt;
    try {
      prompt = model.hasChatTemplate() ? model.encode(dialogue) : model.encode(line);
    } catch (TextTooLongException e) {
      out.println(e.getMessage());
      dialogue.remove(dialogue.size() - 1);
      return;
    }
    if (prompt.size() >= model.contextLength()) {
      out.printf(
          Locale.ROOT,
          "The dialogue has %d tokens, the model's context is %d; /reset begins anew.%n",
          prompt.size(),
          model.contextLength());
      dialogue.remove(dialogue.size() - 1);
      return;
    }
    stopped.set(false);
    StringBuilder said = new StringBuilder();
    Optional<Rollout> whole = answered(prompt, said);
    out.println();
    whole
        .filter(answer -> answer.finish() == FinishReason.LENGTH)
        .ifPresent(answer -> out.println(cut(prompt, answer)));
    if (whole.isPresent() || !said.isEmpty()) {
      dialogue.add(new ChatMessage("assistant", whole.map(Rollout::text).orElse(said.toString())));
    } else {
      dialogue.remove(dialogue.size() - 1);
    }
  }

  /**
   * The answer, or nothing when Ctrl-C ended it.
   *
   * @param said takes up its text as it comes
   */
  private Optional<Rollout> answered(TokenIds prompt, StringBuilder said) {
    try {
      return Optional.of(
          model.generate(
              prompt,
              settings.withSeed(settings.seed() + turn++),
              text -> {
                if (stopped.get()) {
                  throw new CancellationException("Ctrl-C");
                }
                said.append(text);
                out.print(text);
                out.flush();
              }));
    } catch (CancellationException e) {
      return Optional.empty();
    }
  }

  private String cut(TokenIds prompt, Rollout answer) {
    int tokens = answer.response().size();
    return prompt.size() + tokens >= model.contextLength()
        ? "(the model's context of " + model.contextLength() + " tokens is full; /reset empties it)"
        : "(cut at " + tokens + " tokens; --max-new-tokens allows more)";
  }

  private void reset() {
    dialogue.clear();
    if (!system.isEmpty()) {
      dialogue.add(new ChatMessage("system", system));
    }
  }
}
