package dev.troupe.models.tokenizer.jinja;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/** What has been written so far. */
final class Output {
  /** From a letter to the one before another. */
  record Span(int begin, int end) {}

  private final boolean captured;
  private final Text.Builder text = new Text.Builder();
  private final List<Span> generated = new ArrayList<>();
  private int[] turns = new int[64];
  private int turn;

  private Output(boolean captured) {
    this.captured = captured;
  }

  static Output ofTemplate() {
    return new Output(false);
  }

  /** Of a macro or a block that becomes a value. */
  static Output ofValue() {
    return new Output(true);
  }

  void write(Text more) {
    int begin = text.size();
    text.append(more);
    if (text.size() > turns.length) {
      turns = Arrays.copyOf(turns, Math.max(text.size(), 2 * turns.length));
    }
    Arrays.fill(turns, begin, text.size(), turn);
  }

  /** The message whose pass through a loop is written, 0 outside of any. */
  int turn() {
    return turn;
  }

  void turn(int message) {
    turn = message;
  }

  int size() {
    return text.size();
  }

  /** Marks what was written since as an assistant's. */
  void generatedSince(int begin) {
    if (captured) {
      throw JinjaException.unsupported("{% generation %} in a macro or a block that is a value");
    }
    generated.add(new Span(begin, text.size()));
  }

  Text text() {
    return text.build();
  }

  int[] turns() {
    return Arrays.copyOf(turns, text.size());
  }

  List<Span> generated() {
    return List.copyOf(generated);
  }
}
