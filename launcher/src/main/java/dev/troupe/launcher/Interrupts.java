package dev.troupe.launcher;

import dev.troupe.models.torch.Torch;
import java.util.concurrent.atomic.AtomicInteger;
import org.jline.utils.Signals;
import org.jspecify.annotations.Nullable;

/**
 * Ctrl-C and SIGTERM: the first asks for a stop at the next step, the second ends the process. In
 * place from construction to close.
 */
final class Interrupts implements AutoCloseable {
  private final AtomicInteger code = new AtomicInteger();
  private final @Nullable Object previousInt;
  private final @Nullable Object previousTerm;

  Interrupts(Runnable stop) {
    previousInt = Signals.register("INT", () -> on(ExitCode.INTERRUPTED, stop));
    previousTerm = Signals.register("TERM", () -> on(ExitCode.TERMINATED, stop));
  }

  private void on(int signal, Runnable stop) {
    if (!code.compareAndSet(0, signal)) {
      Torch.end();
      Runtime.getRuntime().halt(signal);
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
    Signals.unregister("INT", previousInt);
    Signals.unregister("TERM", previousTerm);
  }
}
