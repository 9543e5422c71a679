package dev.troupe.rlhf.data;

import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.function.BooleanSupplier;
import java.util.function.Consumer;
import java.util.function.LongSupplier;

/**
 * A pass over the user's files as its owner sees it: it tells how far it is, ends when it is told
 * to, and keeps what a person should know of it.
 */
public final class Reading {
  private static final long EVERY_NANOS = Duration.ofSeconds(5).toNanos();

  private final Consumer<String> progress;
  private final BooleanSupplier cancelled;
  private final LongSupplier nanos;
  private final List<String> notices = new ArrayList<>();
  private long told;

  /**
   * Nothing is read yet.
   *
   * @param progress hears a line every five seconds
   * @param cancelled asked often; when it is true, reading ends by {@link Cancelled}
   */
  public Reading(Consumer<String> progress, BooleanSupplier cancelled) {
    this(progress, cancelled, System::nanoTime);
  }

  Reading(Consumer<String> progress, BooleanSupplier cancelled, LongSupplier nanos) {
    this.progress = progress;
    this.cancelled = cancelled;
    this.nanos = nanos;
    this.told = nanos.getAsLong();
  }

  /** One that nobody watches. */
  public static Reading unwatched() {
    return new Reading(line -> {}, () -> false);
  }

  /** Reading was cancelled. */
  public static final class Cancelled extends RuntimeException {
    private static final long serialVersionUID = 1;

    Cancelled() {
      super("cancelled while the data were read");
    }
  }

  /** What a person should know of the files, a line each. */
  public List<String> notices() {
    return List.copyOf(notices);
  }

  void notice(String line) {
    if (!notices.contains(line)) {
      notices.add(line);
    }
  }

  /**
   * A piece of work is done.
   *
   * @param doing for instance "reading a.jsonl"
   * @param count of what, so far
   * @throws Cancelled when the owner wants no more
   */
  public void tick(String doing, long count, String what) {
    if (cancelled.getAsBoolean()) {
      throw new Cancelled();
    }
    long now = nanos.getAsLong();
    if (count > 0 && now - told >= EVERY_NANOS) {
      told = now;
      progress.accept(String.format(Locale.ROOT, "%s: %,d %s so far", doing, count, what));
    }
  }
}
