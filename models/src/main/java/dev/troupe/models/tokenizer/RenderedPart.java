package dev.troupe.models.tokenizer;

/**
 * A stretch of a rendered dialogue.
 *
 * @param text for {@link Tokenizer#encodeRendered}
 * @param assistant whether an assistant says it: its content and its end of turn
 */
public record RenderedPart(String text, boolean assistant) {}
