package dev.troupe.models.checkpoint;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import dev.troupe.models.Golden;
import dev.troupe.models.peft.Adapter;
import java.util.Arrays;
import java.util.Locale;
import java.util.Optional;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/**
 * Files and configuration as read here give transformers' numbers: grouped queries, rope scaling,
 * tied heads, adapters.
 */
final class GoldenLogitsTest {
  /** Of fp32 against double precision. */
  private static final double TOLERANCE = 2e-5;

  @ParameterizedTest
  @CsvSource({
    "gqa-tied-bf16, ''",
    "untied-llama3-fp16, ''",
    "linear-rope-fp32, ''",
    "gqa-tied-bf16, gqa-adapter",
  })
  void logits_equalTransformers(String base, String adapter) {
    JsonNode golden = Golden.json((adapter.isEmpty() ? base : adapter) + "/expected.json");
    double worstLogit = 0;
    double worstLogprob = 0;
    int compared = 0;
    try (Checkpoint checkpoint = Checkpoint.open(Golden.path(base))) {
      ReferenceLlama model =
          new ReferenceLlama(
              checkpoint,
              Optional.of(adapter)
                  .filter(name -> !name.isEmpty())
                  .map(name -> Adapter.read(Golden.path(name), checkpoint.config())));
      for (int text = 0; text < golden.get("batch").size(); text++) {
        int[] tokens = Golden.ints(golden.get("batch").get(text));
        double[][] logits = model.logits(tokens);
        if (text == 0 && golden.has("logits")) {
          for (int t = 0; t < tokens.length; t++) {
            for (int token = 0; token < logits[t].length; token++) {
              double expected = golden.get("logits").get(t).get(token).asDouble();
              worstLogit = Math.max(worstLogit, Math.abs(logits[t][token] - expected));
            }
          }
        }
        for (int t = 0; t + 1 < tokens.length; t++) {
          double expected = golden.get("logprobs").get(text).get(t).asDouble();
          worstLogprob =
              Math.max(worstLogprob, Math.abs(logprob(logits[t], tokens[t + 1]) - expected));
          compared++;
        }
      }
    }
    System.out.printf(
        Locale.ROOT,
        "%s %s: logits %.2e, logprobs %.2e%n",
        base,
        adapter,
        worstLogit,
        worstLogprob);
    assertThat(compared).isEqualTo(24 + 3 + 40 + 11 - 4);
    assertThat(worstLogit).isLessThanOrEqualTo(TOLERANCE);
    assertThat(worstLogprob).isLessThanOrEqualTo(TOLERANCE);
  }

  private static double logprob(double[] logits, int token) {
    double largest = Arrays.stream(logits).max().orElseThrow();
    double sum = Arrays.stream(logits).map(logit -> Math.exp(logit - largest)).sum();
    return logits[token] - largest - Math.log(sum);
  }
}
