package dev.troupe.models.tokenizer;

/**
 * A stretch of a rendered dialogue.
 *
 * @param text for {@link Tokenizer#encodeRendered}
 * @param assistant whether an assistant says it: its content and its end of turn
 * @param message of an assistant's stretch, which message it is of, from 0; −1 where the template
 *     does not tell, and for all else
 */
public record RenderedPart(String text, boolean assistant, int message) {
  static RenderedPart other(String text) {
    return new RenderedPart(text, false, -1);
  }
}
