package dev.troupe.models.tokenizer;

/**
 * One message of a dialogue.
 *
 * @param role who speaks; templates know {@code system}, {@code user} and {@code assistant}
 * @param content what is said
 */
public record ChatTurn(String role, String content) {}
