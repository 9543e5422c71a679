package dev.troupe.protocol.data;

/**
 * One turn of a dialogue.
 *
 * @param role system, user or assistant
 */
public record ChatMessage(String role, String content) {}
