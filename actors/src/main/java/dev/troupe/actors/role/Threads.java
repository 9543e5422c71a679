package dev.troupe.actors.role;

import java.util.Comparator;
import java.util.Map;

/** What the threads of this JVM do, for people. */
final class Threads {
  private Threads() {}

  static String text() {
    StringBuilder text = new StringBuilder();
    Thread.getAllStackTraces().entrySet().stream()
        .sorted(Comparator.comparing(entry -> entry.getKey().getName()))
        .forEach(entry -> add(text, entry));
    return text.toString();
  }

  private static void add(StringBuilder text, Map.Entry<Thread, StackTraceElement[]> entry) {
    text.append('"').append(entry.getKey().getName()).append("\" ");
    text.append(entry.getKey().getState()).append('\n');
    for (StackTraceElement frame : entry.getValue()) {
      text.append("    at ").append(frame).append('\n');
    }
    text.append('\n');
  }
}
