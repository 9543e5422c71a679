package dev.troupe.rlhf.recipe;

import dev.troupe.protocol.data.SamplingSettings;
import dev.troupe.rlhf.limits.Limits;
import java.util.List;

/**
 * How responses are sampled.
 *
 * @param maxNewTokens longest response
 * @param temperature 0 for greedy decoding
 * @param topK choose among this many most likely tokens, 0 for all
 * @param topP choose within this share of probability, 1 for all
 * @param stopStrings texts that end a response
 */
public record GenerationConfig(
    int maxNewTokens, double temperature, int topK, double topP, List<String> stopStrings) {
  public GenerationConfig {
    stopStrings = List.copyOf(stopStrings);
    new Limits()
        .atLeast("max-new-tokens", maxNewTokens, 1)
        .atLeast("temperature", temperature, 0)
        .atLeast("top-k", topK, 0)
        .condition("top-p", topP, topP > 0 && topP <= 1, "above 0, at most 1")
        .condition(
            "stop-strings",
            stopStrings,
            stopStrings.stream().noneMatch(String::isEmpty),
            "texts of one character or more")
        .verify();
  }

  public SamplingSettings settings(long seed) {
    return new SamplingSettings(maxNewTokens, temperature, topK, topP, stopStrings, seed);
  }

  /** The same limits, with the most likely token taken each time. */
  public GenerationConfig greedy() {
    return new GenerationConfig(maxNewTokens, 0, 0, 1, stopStrings);
  }
}
