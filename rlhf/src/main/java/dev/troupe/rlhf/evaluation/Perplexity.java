package dev.troupe.rlhf.evaluation;

import dev.troupe.protocol.data.Output;
import dev.troupe.protocol.data.Sequence;
import dev.troupe.protocol.data.TokenOutputs;
import dev.troupe.rlhf.port.Learner;
import dev.troupe.rlhf.recipe.Await;
import java.util.List;
import java.util.Set;

/**
 * How surprising texts are.
 *
 * @param texts of which at least one token was read
 * @param tokens read
 * @param loss mean negative log-probability of a token, in nats
 * @param perplexity its exponential
 */
public record Perplexity(int texts, long tokens, double loss, double perplexity) {
  /** Sequences that a model is asked about at a time. */
  static final int BATCH = 16;

  /**
   * Reads texts.
   *
   * @param sequences each with one read or more
   * @throws MeasureException when the model says a number that is none
   */
  public static Perplexity of(Learner model, List<Sequence> sequences, Watch watch) {
    double sum = 0;
    long tokens = 0;
    for (int from = 0; from < sequences.size(); from += BATCH) {
      List<Sequence> batch = sequences.subList(from, Math.min(sequences.size(), from + BATCH));
      for (TokenOutputs outputs : Await.on(model.evaluate(batch, Set.of(Output.LOGPROBS)))) {
        for (float logprob : outputs.logprobs().values()) {
          sum += logprob;
        }
        tokens += outputs.logprobs().size();
      }
      if (!Double.isFinite(sum)) {
        throw new MeasureException(
            "perplexity: the model gives texts "
                + (from + 1)
                + " to "
                + (from + batch.size())
                + " a log-probability that is not a finite number; its weights are damaged, or"
                + " engine.precision is too coarse for it");
      }
      watch.done(from + batch.size(), sequences.size());
    }
    return new Perplexity(sequences.size(), tokens, -sum / tokens, Math.exp(-sum / tokens));
  }
}
