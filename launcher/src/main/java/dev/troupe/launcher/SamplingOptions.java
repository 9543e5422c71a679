package dev.troupe.launcher;

import dev.troupe.protocol.data.SamplingSettings;
import java.util.List;
import picocli.CommandLine.Option;

/** How an answer is sampled. */
final class SamplingOptions {
  @Option(
      names = "--max-new-tokens",
      paramLabel = "N",
      defaultValue = "128",
      description = "longest answer (default: ${DEFAULT-VALUE})")
  private int maxNewTokens;

  @Option(
      names = "--temperature",
      paramLabel = "T",
      defaultValue = "1.0",
      description = "0 takes the most likely token each time (default: ${DEFAULT-VALUE})")
  private double temperature;

  @Option(
      names = "--top-p",
      paramLabel = "P",
      defaultValue = "1.0",
      description = "choose within this share of probability (default: ${DEFAULT-VALUE}, all)")
  private double topP;

  @Option(
      names = "--top-k",
      paramLabel = "K",
      defaultValue = "0",
      description = "choose among this many most likely tokens (default: ${DEFAULT-VALUE}, all)")
  private int topK;

  @Option(
      names = "--seed",
      paramLabel = "S",
      defaultValue = "0",
      description = "of the random numbers; the same seed gives the same answer")
  private long seed;

  @Option(
      names = "--stop",
      paramLabel = "TEXT",
      description = "a text that ends the answer; repeatable")
  private List<String> stop = List.of();

  SamplingSettings settings() {
    check("--max-new-tokens", maxNewTokens, maxNewTokens >= 1, "at least 1");
    check("--temperature", temperature, temperature >= 0, "at least 0");
    check("--top-p", topP, topP > 0 && topP <= 1, "above 0, at most 1");
    check("--top-k", topK, topK >= 0, "at least 0");
    check(
        "--stop",
        "''",
        stop.stream().noneMatch(String::isEmpty),
        "texts that are not empty; one that is would end every answer before its first token");
    return new SamplingSettings(maxNewTokens, temperature, topK, topP, stop, seed);
  }

  /** At which log-probabilities are reported: that of sampling, 1 for greedy decoding. */
  double temperatureOfLogprobs() {
    return temperature == 0 ? 1 : temperature;
  }

  private static void check(String option, Object value, boolean holds, String allowed) {
    if (!holds) {
      throw new UserException(option + " is " + value + ", allowed: " + allowed);
    }
  }
}
