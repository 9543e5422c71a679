package dev.troupe.protocol.data;

/**
 * A prompt to answer.
 *
 * @param id unique in a run; the ledger counts by it
 * @param text as a person reads it, chat template included
 * @param tokens the same, tokenized, at least one
 */
public record Prompt(String id, String text, TokenIds tokens) {}
