package dev.troupe.protocol.recording;

import java.util.function.Supplier;
import jdk.jfr.Category;
import jdk.jfr.Description;
import jdk.jfr.Event;
import jdk.jfr.Label;
import jdk.jfr.Name;
import jdk.jfr.StackTrace;

/**
 * A piece of work for Java Flight Recorder: what a role did, or a recipe had done, and how long. It
 * costs next to nothing while nobody records.
 */
@Name("troupe.Work")
@Label("Work")
@Category("Troupe")
@Description("What a role or a recipe spent its time on")
@StackTrace(false)
@SuppressWarnings("UnusedVariable") // Flight Recorder reads the fields.
public final class Work extends Event {
  @Label("Who")
  @Description("the role, or recipe for the one that drives them")
  private String who = "";

  @Label("What")
  @Description("generate, score, train, flip, exchange, …")
  private String what = "";

  private Work() {}

  /** Does work as such an event. */
  public static <T> T record(String who, String what, Supplier<T> work) {
    Work event = new Work();
    event.begin();
    try {
      return work.get();
    } finally {
      event.end();
      if (event.shouldCommit()) {
        event.who = who;
        event.what = what;
        event.commit();
      }
    }
  }
}
