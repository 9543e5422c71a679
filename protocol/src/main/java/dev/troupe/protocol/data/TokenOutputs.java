package dev.troupe.protocol.data;

/**
 * What the model said at the N reads of one {@link Sequence}; a vector that was not asked for is
 * empty.
 *
 * @param logprobs log-probability of the next token, N or empty
 * @param entropies entropy in nats of the next token's distribution, N or empty
 * @param values the head's value, N or empty
 */
public record TokenOutputs(Floats logprobs, Floats entropies, Floats values) {}
