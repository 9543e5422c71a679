package dev.troupe.protocol.data;

/**
 * The gradient of a loss with respect to one sequence's {@link TokenOutputs}; an empty vector is
 * all zeros.
 *
 * @param logprobs N or empty
 * @param entropies N or empty
 * @param values N or empty
 */
public record TokenGradients(Floats logprobs, Floats entropies, Floats values) {
  public static TokenGradients ofLogprobs(float[] logprobs) {
    return new TokenGradients(new Floats(logprobs), Floats.EMPTY, Floats.EMPTY);
  }

  public static TokenGradients ofValues(float[] values) {
    return new TokenGradients(Floats.EMPTY, Floats.EMPTY, new Floats(values));
  }
}
