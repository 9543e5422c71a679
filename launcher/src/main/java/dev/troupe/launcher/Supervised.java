package dev.troupe.launcher;

import dev.troupe.models.torch.Torch;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStream;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.FileTime;
import java.util.concurrent.TimeUnit;
import java.util.function.IntConsumer;
import org.jspecify.annotations.Nullable;

/**
 * A driver's side of its {@link Supervisor}: that tells it over standard input to stop, and sees by
 * a file that it lives. A terminal's Ctrl-C goes to both processes, so that signals to this one are
 * not heeded while the other is there; when that is gone, the run goes on, and they are.
 */
final class Supervised implements Interrupts.Source {
  private volatile @Nullable IntConsumer heard;
  private volatile boolean orphaned;

  private Supervised() {}

  /**
   * @param orders exit codes, a line each
   * @param sign the file that is touched
   */
  static Supervised by(InputStream orders, Path sign) {
    Supervised supervised = new Supervised();
    Interrupts.SIGNALS.hear(
        wish -> {
          if (supervised.orphaned) {
            supervised.wish(wish);
          }
        });
    daemon("orders", () -> supervised.read(orders));
    daemon("sign-of-life", () -> supervised.live(sign));
    return supervised;
  }

  private static void daemon(String name, Runnable work) {
    Thread thread = new Thread(work, name);
    thread.setDaemon(true);
    thread.start();
  }

  private void read(InputStream orders) {
    try (BufferedReader lines =
        new BufferedReader(new InputStreamReader(orders, StandardCharsets.UTF_8))) {
      for (String line = lines.readLine(); line != null; line = lines.readLine()) {
        wish(Integer.parseInt(line));
      }
    } catch (IOException e) {
      // As good as closed.
    }
    orphaned = true;
  }

  private void live(Path sign) {
    try {
      while (!orphaned) {
        Files.setLastModifiedTime(sign, FileTime.fromMillis(System.currentTimeMillis()));
        TimeUnit.SECONDS.sleep(1);
      }
    } catch (IOException | InterruptedException e) {
      // Whoever looks for it is gone, or will say that there was no sign.
    }
  }

  /** Before and after a run there is nothing to stop but the process. */
  private void wish(int code) {
    IntConsumer to = heard;
    if (to == null) {
      Torch.end();
      Runtime.getRuntime().halt(code);
    } else {
      to.accept(code);
    }
  }

  @Override
  public Runnable hear(IntConsumer wish) {
    heard = wish;
    return () -> heard = null;
  }
}
