package dev.troupe.models.tokenizer.jinja;

import java.util.ArrayList;
import java.util.List;

/**
 * A template's text.
 *
 * @param origins of each char, the number of the message that said it; 0 for the template, {@link
 *     Variables#GIVEN} for what the user gave otherwise
 * @param turns of each char, the number of the message in whose pass through a loop over messages
 *     it was written; 0 outside of such
 * @param generated what stands in {@code generation} blocks, in order
 */
public record Rendering(String text, int[] origins, int[] turns, List<Span> generated) {
  /** Chars from {@code begin} to the one before {@code end}. */
  public record Span(int begin, int end) {}

  static Rendering of(Output output) {
    Text text = output.text();
    int[] turns = output.turns();
    String letters = text.toString();
    int[] origins = new int[letters.length()];
    int[] turnOfChar = new int[letters.length()];
    int[] charOfPoint = new int[text.length() + 1];
    int at = 0;
    for (int i = 0; i < text.length(); i++) {
      charOfPoint[i] = at;
      for (int unit = Character.charCount(text.point(i)); unit > 0; unit--) {
        origins[at] = text.origin(i);
        turnOfChar[at] = turns[i];
        at++;
      }
    }
    charOfPoint[text.length()] = at;
    List<Span> generated = new ArrayList<>();
    for (Output.Span span : output.generated()) {
      generated.add(new Span(charOfPoint[span.begin()], charOfPoint[span.end()]));
    }
    return new Rendering(letters, origins, turnOfChar, List.copyOf(generated));
  }
}
