package dev.troupe.models.tokenizer.jinja;

import java.util.Arrays;
import java.util.Locale;
import java.util.function.UnaryOperator;

/**
 * A string of code points, each of which knows its origin: 0 is the template, n the n-th message.
 */
final class Text implements Value {
  static final Text EMPTY = Text.of("");

  private final int[] points;
  private final int[] origins;

  private Text(int[] points, int[] origins) {
    this.points = points;
    this.origins = origins;
  }

  /** Text of the template. */
  static Text of(String text) {
    return of(text, 0);
  }

  static Text of(String text, int origin) {
    int[] points = text.codePoints().toArray();
    int[] origins = new int[points.length];
    Arrays.fill(origins, origin);
    return new Text(points, origins);
  }

  int length() {
    return points.length;
  }

  int point(int index) {
    return points[index];
  }

  int origin(int index) {
    return origins[index];
  }

  boolean isEmpty() {
    return points.length == 0;
  }

  Text slice(int begin, int end) {
    return new Text(
        Arrays.copyOfRange(points, begin, Math.max(begin, end)),
        Arrays.copyOfRange(origins, begin, Math.max(begin, end)));
  }

  Text at(int index) {
    return slice(index, index + 1);
  }

  boolean same(Text other) {
    return Arrays.equals(points, other.points);
  }

  int compare(Text other) {
    return Arrays.compare(points, other.points);
  }

  boolean hasAt(int position, Text part) {
    return position >= 0
        && position + part.length() <= length()
        && Arrays.equals(points, position, position + part.length(), part.points, 0, part.length());
  }

  /** The first place of the part that begins in [from, end − its length], or −1. */
  int find(Text part, int from, int end) {
    for (int i = from; i + part.length() <= end; i++) {
      if (hasAt(i, part)) {
        return i;
      }
    }
    return -1;
  }

  /** The last such place, or −1. */
  int findLast(Text part, int from, int end) {
    for (int i = end - part.length(); i >= from; i--) {
      if (hasAt(i, part)) {
        return i;
      }
    }
    return -1;
  }

  Text plus(Text other) {
    return new Builder().append(this).append(other).build();
  }

  /** Each letter mapped by itself; what a letter becomes has its origin. */
  Text mapped(UnaryOperator<String> letter) {
    Builder mapped = new Builder();
    for (int i = 0; i < points.length; i++) {
      mapped.append(letter.apply(Character.toString(points[i])), origins[i]);
    }
    return mapped.build();
  }

  Text upper() {
    return mapped(letter -> letter.toUpperCase(Locale.ROOT));
  }

  Text lower() {
    // A sigma at the end of a word is another letter, so the whole is looked at first.
    int[] whole = toString().toLowerCase(Locale.ROOT).codePoints().toArray();
    return whole.length == points.length
        ? new Text(whole, origins)
        : mapped(letter -> letter.toLowerCase(Locale.ROOT));
  }

  @Override
  public String toString() {
    return new String(points, 0, points.length);
  }

  /** Puts texts together. */
  static final class Builder {
    private int[] points = new int[64];
    private int[] origins = new int[64];
    private int size;

    int size() {
      return size;
    }

    Builder append(Text text) {
      reserve(text.length());
      System.arraycopy(text.points, 0, points, size, text.length());
      System.arraycopy(text.origins, 0, origins, size, text.length());
      size += text.length();
      return this;
    }

    Builder append(String text) {
      return append(text, 0);
    }

    Builder append(String text, int origin) {
      return append(Text.of(text, origin));
    }

    private void reserve(int more) {
      if (size + (long) more > Limits.TEXT) {
        throw JinjaException.of("a text becomes longer than " + Limits.TEXT + " letters");
      }
      if (size + more > points.length) {
        int room = Math.max(size + more, 2 * points.length);
        points = Arrays.copyOf(points, room);
        origins = Arrays.copyOf(origins, room);
      }
    }

    Text build() {
      return new Text(Arrays.copyOf(points, size), Arrays.copyOf(origins, size));
    }
  }
}
