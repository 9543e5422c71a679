package dev.troupe.rlhf.reward;

import java.util.Optional;
import java.util.concurrent.atomic.AtomicLong;
import java.util.function.Function;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * A text that can be read a bounded number of times. A pattern that backtracks without end reads
 * characters without end, so counting them bounds the search whatever the pattern.
 */
public final class BoundedText implements CharSequence {
  /** Reads per search; takes well under a second. */
  private static final long MOST_READS = 20_000_000;

  private final CharSequence text;
  private final AtomicLong left;

  private BoundedText(CharSequence text, AtomicLong left) {
    this.text = text;
    this.left = left;
  }

  /** What a search finds, or nothing when it reads or nests too much. */
  public static <T> Optional<T> search(Pattern pattern, String text, Function<Matcher, T> search) {
    try {
      return Optional.of(
          search.apply(pattern.matcher(new BoundedText(text, new AtomicLong(MOST_READS)))));
    } catch (TooManyReads | StackOverflowError e) {
      return Optional.empty(); // repeated groups recurse: long texts can exhaust the stack
    }
  }

  @Override
  public char charAt(int index) {
    if (left.decrementAndGet() < 0) {
      throw new TooManyReads();
    }
    return text.charAt(index);
  }

  @Override
  public int length() {
    return text.length();
  }

  @Override
  public CharSequence subSequence(int start, int end) {
    return new BoundedText(text.subSequence(start, end), left);
  }

  @Override
  public String toString() {
    return text.toString();
  }

  private static final class TooManyReads extends RuntimeException {
    TooManyReads() {
      super("a pattern read the text too often", null, false, false);
    }
  }
}
