package dev.troupe.launcher;

import dev.troupe.models.torch.Torch;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.IntConsumer;
import org.jline.utils.Signals;

/**
 * Ctrl-C and SIGTERM: the first asks for a stop at the next step, the second ends the process. In
 * place from construction to close.
 */
final class Interrupts implements AutoCloseable {
  /** Where it is heard that somebody wants this process to stop. */
  interface Source {
    /**
     * @param wish takes the exit code of a process that stops for it; the newest one alone is told
     * @return takes that back
     */
    Runnable hear(IntConsumer wish);
  }

  /** Signals to this process. */
  static final Source SIGNALS =
      wish -> {
        Object previousInt = Signals.register("INT", () -> wish.accept(ExitCode.INTERRUPTED));
        Object previousTerm = Signals.register("TERM", () -> wish.accept(ExitCode.TERMINATED));
        return () -> {
          Signals.unregister("INT", previousInt);
          Signals.unregister("TERM", previousTerm);
        };
      };

  private final AtomicInteger code = new AtomicInteger();
  private final Runnable unheard;

  Interrupts(Runnable stop) {
    this(SIGNALS, stop);
  }

  Interrupts(Source source, Runnable stop) {
    unheard = source.hear(wish -> on(wish, stop));
  }

  private void on(int wish, Runnable stop) {
    if (!code.compareAndSet(0, wish)) {
      Torch.end();
      Runtime.getRuntime().halt(wish);
    }
    stop.run();
  }

  boolean interrupted() {
    return code.get() != 0;
  }

  /** By the signal that came first; of a stop that no signal asked for, Ctrl-C's. */
  int exitCode() {
    return interrupted() ? code.get() : ExitCode.INTERRUPTED;
  }

  @Override
  public void close() {
    unheard.run();
  }
}
