package dev.troupe.launcher;

import dev.troupe.models.torch.Torch;
import java.util.concurrent.atomic.AtomicBoolean;
import org.jline.utils.Signals;
import org.jspecify.annotations.Nullable;

/**
 * Ctrl-C and SIGTERM: the first asks for a stop at the next step, the second ends the process. In
 * place from construction to close.
 */
final class Interrupts implements AutoCloseable {
  private final AtomicBoolean interrupted = new AtomicBoolean();
  private final @Nullable Object previousInt;
  private final @Nullable Object previousTerm;

  Interrupts(Runnable stop) {
    Runnable handler =
        () -> {
          if (interrupted.getAndSet(true)) {
            Torch.end();
            Runtime.getRuntime().halt(ExitCode.INTERRUPTED);
          }
          stop.run();
        };
    previousInt = Signals.register("INT", handler);
    previousTerm = Signals.register("TERM", handler);
  }

  boolean interrupted() {
    return interrupted.get();
  }

  @Override
  public void close() {
    Signals.unregister("INT", previousInt);
    Signals.unregister("TERM", previousTerm);
  }
}
