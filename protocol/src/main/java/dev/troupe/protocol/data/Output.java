package dev.troupe.protocol.data;

/**
 * The parts of {@link TokenOutputs} that a caller can ask for; what is not asked for is not
 * computed.
 */
public enum Output {
  LOGPROBS,
  ENTROPIES,
  VALUES
}
