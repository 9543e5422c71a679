package dev.troupe.launcher;

import dev.troupe.models.export.ExportListener;
import java.io.PrintWriter;
import java.util.Locale;

/** A bar that grows by numbers on a terminal; elsewhere a plain line every few seconds. */
final class ExportProgress implements ExportListener {
  private static final int BAR = 24;

  private final PrintWriter out;
  private final boolean terminal;
  private final long startMillis = System.currentTimeMillis();
  private long shownMillis = startMillis;
  private boolean open;

  ExportProgress(PrintWriter out, boolean terminal) {
    this.out = out;
    this.terminal = terminal;
  }

  /** The user's terminal, as the script that started us found it. */
  static ExportProgress onStandardOutput(PrintWriter out) {
    return new ExportProgress(out, Integer.getInteger("troupe.columns", 0) > 0);
  }

  @Override
  public void wrote(String tensor, long done, long total) {
    long now = System.currentTimeMillis();
    long interval = terminal ? 100 : Progress.PLAIN_INTERVAL_MILLIS;
    if (now - shownMillis < interval && !(terminal && done == total)) {
      return;
    }
    shownMillis = now;
    double left = (now - startMillis) / 1000.0 / done * (total - done);
    String line =
        String.format(Locale.ROOT, "%d%%  %s left", 100 * done / total, Progress.time(left));
    if (terminal) {
      int full = (int) (BAR * done / total);
      out.print("\r\u001b[2K" + "━".repeat(full) + "─".repeat(BAR - full) + "  " + line);
      open = true;
    } else {
      out.println(line);
    }
    out.flush();
  }

  /** Ends the bar's line. */
  void close() {
    if (open) {
      out.println();
    }
  }
}
