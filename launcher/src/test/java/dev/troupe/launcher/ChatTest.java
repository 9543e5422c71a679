package dev.troupe.launcher;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.fail;

import dev.troupe.protocol.data.ChatMessage;
import dev.troupe.protocol.data.FinishReason;
import dev.troupe.protocol.data.Floats;
import dev.troupe.protocol.data.Prompt;
import dev.troupe.protocol.data.Rollout;
import dev.troupe.protocol.data.SamplingSettings;
import dev.troupe.protocol.data.TokenIds;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.io.PipedInputStream;
import java.io.PipedOutputStream;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.LockSupport;
import java.util.function.Consumer;
import org.jline.terminal.Size;
import org.jline.terminal.Terminal;
import org.jline.terminal.impl.ExternalTerminal;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** A person types at a terminal with a line discipline, as a pseudo-terminal has it. */
class ChatTest {
  private static final String CTRL_C = "\u0003";
  private static final String CTRL_D = "\u0004";
  private static final Duration PATIENCE = Duration.ofSeconds(10);

  private final Screen screen = new Screen();
  private final Scripted model = new Scripted();
  private final PipedOutputStream keyboard = new PipedOutputStream();
  private Terminal terminal;
  private CompletableFuture<Void> chat;

  @BeforeEach
  void start() throws IOException {
    terminal =
        new ExternalTerminal(
            "test",
            "xterm",
            new PipedInputStream(keyboard, 1 << 16),
            screen,
            StandardCharsets.UTF_8);
    terminal.setSize(new Size(80, 24));
    SamplingSettings settings = new SamplingSettings(8, 1, 0, 1, List.of(), 1);
    chat =
        CompletableFuture.runAsync(
            () -> new Chat(model, settings, "", terminal).talk(),
            task -> new Thread(task, "chat").start());
    screen.await("> ");
  }

  @AfterEach
  void stop() throws IOException {
    terminal.close();
  }

  @Test
  void controlC_endsTheAnswer_notTheChat() throws Exception {
    type("endless\r");
    screen.await("la la");
    type(CTRL_C);
    screen.await("> ");
    type("hello\r");
    screen.await("You said hello.");
    type(CTRL_D);
    chat.get(20, TimeUnit.SECONDS);
    // The model reads what it had said.
    assertThat(model.dialogues.get(1)).hasSize(3);
    assertThat(model.dialogues.get(1).get(1).content()).startsWith("la la");
  }

  @Test
  void controlC_atThePrompt_emptiesTheLine_thenWarns_thenLeaves() throws Exception {
    type("not this");
    screen.await("not this");
    type(CTRL_C);
    screen.await("> ");
    type(CTRL_C);
    screen.await("Ctrl-C again leaves.");
    screen.await("> ");
    type("hello\r");
    screen.await("You said hello.");
    screen.await("> ");
    type(CTRL_C);
    screen.await("Ctrl-C again leaves.");
    screen.await("> ");
    type(CTRL_C);
    chat.get(20, TimeUnit.SECONDS);
    assertThat(model.dialogues).hasSize(1);
  }

  @Test
  void help_tellsTheCommands() throws Exception {
    type("/help\r");
    screen.await("/reset   forgets the dialogue");
    screen.await("Ctrl-C ends the answer");
    type("/exit\r");
    chat.get(20, TimeUnit.SECONDS);
    assertThat(model.dialogues).isEmpty();
  }

  @Test
  void unknownCommand_isTold_andNotSentToTheModel() throws Exception {
    type("/hlep\r");
    screen.await("/hlep is no command here. There are:");
    screen.await("/exit    leaves");
    type("/exit\r");
    chat.get(20, TimeUnit.SECONDS);
    assertThat(model.dialogues).isEmpty();
  }

  @Test
  void slashes_ofAPath_andDoubled_areText() throws Exception {
    type("/etc/hosts is what?\r");
    screen.await("You said /etc/hosts is what?.");
    type("//help\r");
    screen.await("You said /help.");
    type("/exit\r");
    chat.get(20, TimeUnit.SECONDS);
  }

  /** Line editors take these for history and quoting. */
  @Test
  void marksAndBackslashes_areText() throws Exception {
    type("no!way!! \"a\\b 'it\r");
    screen.await("You said no!way!! \"a\\b 'it.");
    type("/exit\r");
    chat.get(20, TimeUnit.SECONDS);
  }

  @Test
  void reset_forgets() throws Exception {
    type("one\r");
    screen.await("You said one.");
    type("/reset\r");
    screen.await("The dialogue begins anew.");
    type("two\r");
    screen.await("You said two.");
    type("/exit\r");
    chat.get(20, TimeUnit.SECONDS);
    assertThat(model.dialogues.get(1)).containsExactly(new ChatMessage("user", "two"));
  }

  @Test
  void answerThatWasCut_isSaidToBe() throws Exception {
    type("long\r");
    screen.await("(cut at 8 tokens; --max-new-tokens allows more)");
    type("/exit\r");
    chat.get(20, TimeUnit.SECONDS);
  }

  private void type(String keys) throws IOException {
    keyboard.write(keys.getBytes(StandardCharsets.UTF_8));
    keyboard.flush();
  }

  /** What has been shown; awaiting goes on after what was awaited last. */
  private static final class Screen extends OutputStream {
    private final ByteArrayOutputStream bytes = new ByteArrayOutputStream();
    private int seen;

    @Override
    public synchronized void write(int b) {
      bytes.write(b);
      notifyAll();
    }

    synchronized void await(String text) {
      Instant end = Instant.now().plus(PATIENCE);
      while (true) {
        String shown = bytes.toString(StandardCharsets.UTF_8);
        int found = shown.indexOf(text, seen);
        if (found >= 0) {
          seen = found + text.length();
          return;
        }
        long left = Duration.between(Instant.now(), end).toMillis();
        if (left <= 0) {
          String rest = shown.substring(seen);
          fail(
              "not shown: "
                  + text
                  + "; after: "
                  + rest.substring(0, Math.min(500, rest.length())).replace("\u001b", "ESC"));
        }
        try {
          wait(left);
        } catch (InterruptedException e) {
          throw new IllegalStateException(e);
        }
      }
    }
  }

  /** Repeats what is said to it; sings without end when asked to. */
  private static final class Scripted implements OneModel {
    private final List<List<ChatMessage>> dialogues = new ArrayList<>();

    @Override
    public TokenIds encode(List<ChatMessage> dialogue) {
      dialogues.add(List.copyOf(dialogue));
      return encode(dialogue.get(dialogue.size() - 1).content());
    }

    @Override
    public Rollout generate(TokenIds prompt, SamplingSettings settings, Consumer<String> onText) {
      String said = new String(prompt.values(), 0, prompt.size());
      Instant end = Instant.now().plus(PATIENCE);
      while (said.equals("endless")) {
        onText.accept("la ");
        LockSupport.parkNanos(1_000_000); // A model takes its time.
        if (Instant.now().isAfter(end)) {
          throw new AssertionError("Ctrl-C did not stop the answer");
        }
      }
      String text = "You said " + said + ".";
      onText.accept(text);
      return new Rollout(
          new Prompt("0", "", prompt),
          TokenIds.of(1, 2, 3, 4, 5, 6, 7, 8),
          text,
          new Floats(new float[8]),
          said.equals("long") ? FinishReason.LENGTH : FinishReason.EOS,
          0);
    }

    @Override
    public TokenIds encode(String text) {
      return new TokenIds(text.chars().toArray());
    }

    @Override
    public TokenIds encodeMarked(String text) {
      return encode(text);
    }

    @Override
    public boolean hasChatTemplate() {
      return true;
    }

    @Override
    public int contextLength() {
      return 1000;
    }

    @Override
    public Floats logprobs(TokenIds tokens) {
      throw new UnsupportedOperationException();
    }

    @Override
    public void close() {}
  }
}
