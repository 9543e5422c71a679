package dev.troupe.protocol.data;

import java.util.List;

/**
 * How responses are sampled. Top-k and top-p restrict the choice and not the reported
 * log-probability, which is that of the full vocabulary at this temperature.
 *
 * @param maxNewTokens at least 1
 * @param temperature 0 for greedy decoding
 * @param topK 0 for no restriction
 * @param topP in (0, 1], 1 for no restriction
 * @param stopStrings texts that end a response
 * @param seed of the random numbers; a prompt's tokens depend on this, its id and nothing else in
 *     its batch
 */
public record SamplingSettings(
    int maxNewTokens,
    double temperature,
    int topK,
    double topP,
    List<String> stopStrings,
    long seed) {
  public SamplingSettings {
    if (maxNewTokens < 1) {
      throw new IllegalArgumentException(
          "maxNewTokens is " + maxNewTokens + ", must be at least 1");
    }
    if (!(temperature >= 0)) {
      throw new IllegalArgumentException("temperature is " + temperature + ", must be at least 0");
    }
    if (topK < 0) {
      throw new IllegalArgumentException("topK is " + topK + ", must be at least 0");
    }
    if (!(topP > 0 && topP <= 1)) {
      throw new IllegalArgumentException("topP is " + topP + ", must be in (0, 1]");
    }
    stopStrings = List.copyOf(stopStrings);
  }

  public SamplingSettings withSeed(long newSeed) {
    return new SamplingSettings(maxNewTokens, temperature, topK, topP, stopStrings, newSeed);
  }

  /** The same for responses of another length. */
  public SamplingSettings withMaxNewTokens(int most) {
    return new SamplingSettings(most, temperature, topK, topP, stopStrings, seed);
  }
}
