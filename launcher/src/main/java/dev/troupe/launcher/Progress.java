package dev.troupe.launcher;

import dev.troupe.protocol.event.Notice;
import dev.troupe.protocol.event.RoleChanged;
import dev.troupe.protocol.event.RunEvent;
import dev.troupe.protocol.event.StageCompleted;
import dev.troupe.protocol.event.StepCompleted;
import java.io.PrintWriter;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/**
 * A run's progress for a person: one bar per stage, redrawn in place on a terminal; elsewhere a
 * plain line every few seconds. Reads the run's events and nothing else.
 */
final class Progress {
  /** Between plain lines. */
  static final long PLAIN_INTERVAL_MILLIS = 5000;

  /** Between drawings of a bar. */
  private static final long DRAW_INTERVAL_MILLIS = 100;

  private static final int BAR = 24;

  private final PrintWriter out;
  private final boolean terminal;
  private final int columns;
  private final boolean tellsKernels;

  private String stage = "";
  private long stageStartMillis;
  private long firstStepMillis;
  private long firstStep;
  private long lastShownMillis = Long.MIN_VALUE;
  private String lastLine = "";
  private boolean barOpen;
  private String kernels = "";

  /** What nodes have others, as told. */
  private final Set<String> others = new HashSet<>();

  Progress(PrintWriter out, boolean terminal, int columns) {
    this(out, terminal, columns, true);
  }

  /**
   * @param tellsKernels whether to say whose operators compute, where no one has yet
   */
  private Progress(PrintWriter out, boolean terminal, int columns, boolean tellsKernels) {
    this.tellsKernels = tellsKernels;
    this.out = out;
    this.terminal = terminal;
    this.columns = columns;
  }

  /** The user's terminal, as wide as the script that started us measured it, or none. */
  static Progress onStandardOutput(PrintWriter out, boolean tellsKernels) {
    int columns = Integer.getInteger("troupe.columns", 0);
    return new Progress(out, columns > 0, columns, tellsKernels);
  }

  synchronized void accept(RunEvent event) {
    switch (event.getEventCase()) {
      case STAGE_STARTED -> {
        closeBar();
        stage = event.getStageStarted().getStage();
        stageStartMillis = event.getTimeMillis();
        firstStep = 0;
        lastShownMillis = Long.MIN_VALUE;
      }
      case STEP_COMPLETED -> step(event.getTimeMillis(), event.getStepCompleted());
      case STAGE_COMPLETED -> completed(event.getStageCompleted());
      case NOTICE -> notice(event.getNotice());
      case RUN_COMPLETED -> closeBar();
      case ROLE_CHANGED -> kernels(event.getRoleChanged());
      case RUN_STARTED, ROLLOUT_RECORDED, MEMBERS_CHANGED, EVENT_NOT_SET -> {}
    }
  }

  /** Whose operators the nodes sample by: once, and of each node that has others. */
  private void kernels(RoleChanged changed) {
    String found = changed.getKernels();
    if (!tellsKernels || found.isEmpty() || found.equals(kernels)) {
      return;
    }
    boolean first = kernels.isEmpty();
    if (first) {
      kernels = found;
    } else if (!others.add(changed.getNode() + found)) {
      return;
    }
    closeBar();
    out.println((first ? "kernels: " : "kernels on " + changed.getNode() + ": ") + found);
    out.flush();
  }

  private void step(long now, StepCompleted step) {
    if (firstStep == 0) {
      firstStep = step.getStep();
      firstStepMillis = now;
    }
    long interval = terminal ? DRAW_INTERVAL_MILLIS : PLAIN_INTERVAL_MILLIS;
    boolean last = step.getStep() == step.getTotalSteps();
    lastLine = line(now, step);
    if (!last && lastShownMillis != Long.MIN_VALUE && now - lastShownMillis < interval) {
      return;
    }
    lastShownMillis = now;
    if (terminal) {
      out.print("\r\u001b[2K" + cut(lastLine));
      out.flush();
      barOpen = true;
    } else {
      out.println(lastLine);
    }
  }

  private void completed(StageCompleted completed) {
    if (terminal && barOpen && !lastLine.isEmpty()) {
      out.print("\r\u001b[2K" + cut(lastLine));
    }
    closeBar();
    StringBuilder line =
        new StringBuilder(
            String.format(
                Locale.ROOT,
                "%-8s done in %s",
                completed.getStage(),
                time(completed.getSeconds())));
    completed.getResultsMap().entrySet().stream()
        .sorted(Map.Entry.comparingByKey())
        .limit(6)
        .forEach(
            result ->
                line.append("  ")
                    .append(result.getKey())
                    .append(' ')
                    .append(number(result.getValue())));
    out.println(line);
    out.flush();
    lastLine = "";
  }

  private void notice(Notice notice) {
    closeBar();
    out.println(
        (notice.getSeverity().equals("info") ? "note" : notice.getSeverity())
            + (notice.getStage().isEmpty() ? "" : " (" + notice.getStage() + ")")
            + ": "
            + notice.getText());
    out.flush();
  }

  private void closeBar() {
    if (barOpen) {
      out.println();
      barOpen = false;
    }
  }

  /**
   * {@code ppo ━━━━━━────── 34/80 score 0.81 kl 0.032 4200 tokens/s 0:42 left}. A terminal too
   * narrow for all of it loses the bar's second half, then the metrics from the last on, then the
   * bar; where it is, how fast and how long still is what people wait for, and stays.
   */
  private String line(long now, StepCompleted step) {
    String name = stage.isEmpty() ? step.getStage() : stage;
    String count = step.getStep() + "/" + Math.max(1, step.getTotalSteps());
    List<String> metrics = metrics(step.getMetricsMap());
    Double tokens = step.getMetricsMap().get("tokensPerSecond");
    String speed = tokens == null ? "" : String.format(Locale.ROOT, "%.0f tokens/s", tokens);
    String left = left(now, step);
    String padded = String.format(Locale.ROOT, "%-8s", name);
    if (!terminal) {
      return joined("  ", padded, "", count, metrics, speed, left);
    }
    String half = bar(step, BAR / 2);
    Stream.Builder<String> narrower = Stream.builder();
    narrower.add(joined("  ", padded, bar(step, BAR), count, metrics, speed, left));
    for (int shown = metrics.size(); shown > 0; shown--) {
      narrower.add(joined("  ", name, half, count, metrics.subList(0, shown), speed, left));
    }
    for (int shown = Math.min(1, metrics.size()); shown >= 0; shown--) {
      narrower.add(joined("  ", name, "", count, metrics.subList(0, shown), speed, left));
    }
    String brief = speed.replace("tokens", "tok");
    narrower.add(joined(" ", name, "", count, List.of(), brief, left));
    return narrower
        .build()
        .filter(line -> line.length() < columns)
        .findFirst()
        .orElse(joined(" ", "", "", count, List.of(), brief, left));
  }

  private static String joined(
      String between,
      String name,
      String bar,
      String count,
      List<String> metrics,
      String speed,
      String left) {
    return Stream.of(Stream.of(name, bar, count), metrics.stream(), Stream.of(speed, left))
        .flatMap(parts -> parts)
        .filter(part -> !part.isEmpty())
        .collect(Collectors.joining(between));
  }

  private static String bar(StepCompleted step, int width) {
    int full = (int) Math.min(width, width * step.getStep() / Math.max(1, step.getTotalSteps()));
    return "━".repeat(full) + "─".repeat(width - full);
  }

  private static List<String> metrics(Map<String, Double> metrics) {
    List<String> parts = new ArrayList<>();
    for (Shown shown : Shown.values()) {
      Double value = metrics.get(shown.metric);
      // One loss is enough: the whole, where a stage reports it beside its part.
      boolean again = shown == Shown.POLICY_LOSS && metrics.containsKey(Shown.LOSS.metric);
      if (value != null && !again) {
        parts.add(shown.label + " " + number(value));
      }
    }
    return parts;
  }

  /** By the pace since the first step seen; the very first step tells by its own time. */
  private String left(long now, StepCompleted step) {
    long rest = step.getTotalSteps() - step.getStep();
    long steps = step.getStep() - firstStep;
    double secondsPerStep =
        steps > 0
            ? (now - firstStepMillis) / 1000.0 / steps
            : (now - stageStartMillis) / 1000.0 / Math.max(1, step.getStep());
    return time(rest * secondsPerStep) + " left";
  }

  private String cut(String line) {
    return line.length() < columns ? line : line.substring(0, Math.max(0, columns - 2)) + "…";
  }

  /** 0:42, 12:05, 1:02:03. */
  static String time(double seconds) {
    long whole = Math.round(seconds);
    return whole >= 3600
        ? String.format(Locale.ROOT, "%d:%02d:%02d", whole / 3600, whole / 60 % 60, whole % 60)
        : String.format(Locale.ROOT, "%d:%02d", whole / 60, whole % 60);
  }

  static String number(double value) {
    double size = Math.abs(value);
    if (value == Math.rint(value) && size < 1e6) {
      return Long.toString((long) value);
    }
    return size >= 1e-3 && size < 1e5
        ? String.format(Locale.ROOT, size >= 100 ? "%.1f" : "%.4f", value)
        : String.format(Locale.ROOT, "%.2e", value);
  }

  /** What of a step is worth a glance, in this order. */
  private enum Shown {
    LOSS("loss", "loss"),
    POLICY_LOSS("policyLoss", "loss"),
    SCORE("score", "score"),
    RULE("ruleSatisfied", "right"),
    ACCURACY("accuracy", "accuracy"),
    KL("kl", "KL"),
    LENGTH("responseLength", "length");

    private final String metric;
    private final String label;

    Shown(String metric, String label) {
      this.metric = metric;
      this.label = label;
    }
  }
}
